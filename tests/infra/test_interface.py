"""One interface for three clouds, read from the text: the checks with OpenTofu are nightly."""

import re
from pathlib import Path

import pytest
import yaml

from bookstore_operator.crd.bookstore import BookStore

INFRA = Path(__file__).parents[2] / "infra"
CLOUDS = ("aws", "google", "azure")
SHARED = ("variables.tf", "outputs.tf", "bookstore.tf")
SIZES = ("small", "staging", "production")


def text_of(cloud: str) -> str:
    return "\n".join(file.read_text() for file in sorted((INFRA / cloud).glob("*.tf")))


def set_in(file: Path) -> set[str]:
    """Return the variables that a file of values sets."""
    return set(re.findall(r"^(\w+) +=", file.read_text(), re.MULTILINE))


def variables() -> dict[str, str]:
    """Return the text of each variable's declaration."""
    text = (INFRA / "aws/variables.tf").read_text()
    return dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", [*SHARED, "tests/interface.tftest.hcl"])
def test_what_the_clouds_share_is_the_same_file(name: str) -> None:
    assert len({(INFRA / cloud / name).read_text() for cloud in CLOUDS}) == 1


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_declares_nothing_beside_the_interface_and_defines_all_that_it_uses(
    cloud: str,
) -> None:
    shared = "\n".join((INFRA / cloud / name).read_text() for name in SHARED)
    everything = text_of(cloud)
    for kind in ("variable", "output"):
        declaration = rf'^{kind} "(\w+)"'
        in_shared = re.findall(declaration, shared, re.MULTILINE)
        assert re.findall(declaration, everything, re.MULTILINE) == sorted(
            in_shared, key=in_shared.index
        )
    blocks = re.findall(r"^locals \{\n(.*?)^\}", everything, re.MULTILINE | re.DOTALL)
    defined = re.findall(r"^  (\w+) += ", "\n".join(blocks), re.MULTILINE)
    assert len(defined) == len(set(defined))
    assert set(re.findall(r"\blocal\.(\w+)", everything)) == set(defined), "each local is used"
    assert set(re.findall(r"\bvar\.(\w+)", everything)) == set(variables()), "each is used"


@pytest.mark.parametrize("size", SIZES)
def test_a_size_and_an_environment_set_each_variable_once(size: str) -> None:
    of_size = set_in(INFRA / f"sizes/{size}.tfvars")
    of_environment = set_in(INFRA / "examples/environment.tfvars")
    required = {name for name, text in variables().items() if "  default " not in text}
    assert of_size & of_environment == set()
    assert required <= of_size | of_environment <= set(variables())
    assert of_size == set_in(INFRA / "sizes/small.tfvars"), "each size decides the same"


def test_each_variable_and_output_is_described() -> None:
    outputs = re.findall(
        r'^output "\w+" \{\n(.*?)^\}',
        (INFRA / "aws/outputs.tf").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    texts = [*variables().values(), *outputs]
    assert len(texts) > 20
    assert all(re.search(r'^  description += "[A-Z].{10,}"$', text, re.MULTILINE) for text in texts)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_language_is_what_opentofu_and_terraform_share(cloud: str) -> None:
    text = text_of(cloud)
    assert not list((INFRA / cloud).glob("*.tofu"))
    settings = re.search(r"^terraform \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert settings
    assert "encryption" not in settings[1], "OpenTofu's own"
    assert not re.search(r"\bprovider::", text), "functions of providers"
    assert re.search(r'required_version = ">= 1\.\d+"', text)
    assert not re.search(r'^      version = "~> \d+\.\d+\.', text, re.MULTILINE), "majors only"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_exception_from_checkov_says_why(cloud: str) -> None:
    skips = re.findall(r"checkov:skip=(\w+)(:?)(.*)", text_of(cloud))
    assert skips
    assert [skip for skip in skips if not skip[1] or len(skip[2].split()) < 4] == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_must_not_be_public_is_not(cloud: str) -> None:
    """Secrets are sensitive; no password is written down; protection follows one variable."""
    text = text_of(cloud)
    secret = re.search(r'output "secrets_manifest" \{.*?^\}', text, re.MULTILINE | re.DOTALL)
    assert secret
    assert "sensitive   = true" in secret[0]
    assert not re.search(
        r'^ *(?:password|auth_token|administrator_password) += "', text, re.MULTILINE
    )
    assert "var.deletion_protection" in text.replace(
        (INFRA / cloud / "variables.tf").read_text(), ""
    )


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_example_from_the_outputs_is_a_valid_bookstore(cloud: str) -> None:
    """Nightly, the examples are compared with the outputs of an apply."""
    documents = list(yaml.safe_load_all((INFRA / f"examples/{cloud}.yaml").read_text()))
    (written,) = (document for document in documents if document["kind"] == "BookStore")
    store = BookStore.model_validate(written, extra="forbid")
    by_name = {(item["kind"], item["metadata"]["name"]): item for item in documents}
    assert store.spec.database.external is not None
    assert store.spec.cache is not None
    assert store.spec.cache.external is not None
    assert store.spec.backup is not None
    for name in (store.spec.database.external.secret_name, store.spec.cache.external.secret_name):
        assert "uri" in by_name["Secret", name]["stringData"]
    assert store.spec.service_account_name is not None
    account = by_name["ServiceAccount", store.spec.service_account_name]
    assert account["metadata"]["annotations"]
    target = store.spec.backup.target
    assert target is not None
    if target.s3 and target.s3.credentials_secret_name:
        keys = by_name["Secret", target.s3.credentials_secret_name]["stringData"]
        assert keys.keys() == {"access-key-id", "secret-access-key"}
    if target.volume:
        assert ("StorageClass", target.volume.storage_class_name) in by_name
    namespaces = {
        item["metadata"].get("namespace", "bookstore")
        for item in documents
        if item["kind"] not in {"Namespace", "StorageClass"}
    }
    assert namespaces == {"bookstore"}
