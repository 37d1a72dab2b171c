"""What a support bundle has in it, and what must never be in it: canaries in every place."""

import base64
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubectl_bookstore.archive import write_archive
from kubectl_bookstore.errors import ExitCode, PluginError
from kubectl_bookstore.views.bundle import (
    Bundle,
    files_of,
    own_lines,
    own_metrics,
    secret_names,
)
from kubectl_bookstore.views.masking import MASK, Masker

pytestmark = pytest.mark.golden

CANARY = "cAnArY-4711/+x"
IN_A_URI = "cAnArY-4711%2F%2Bx"


def secret(name: str = "demo-db", **values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "kind": "Secret",
        "metadata": {"name": name, "annotations": {"note": CANARY}},
        "type": "Opaque",
        "data": data,
    }


SECRET = secret(uri=f"postgresql://shop:{IN_A_URI}@db.example:5432/shop", host="db.example")


def bundle(**parts: Any) -> Bundle:
    store = {"kind": "BookStore", "metadata": {"namespace": "shop", "name": "demo"}, "spec": {}}
    return Bundle(**{"store": store, "secrets": [SECRET], **parts})


def everything(files: dict[str, str]) -> str:
    return "\n".join(f"{path}\n{text}" for path, text in files.items())


@pytest.mark.parametrize(
    "text",
    [
        f"connected with {CANARY}",
        f"postgresql://shop:{IN_A_URI}@db.example:5432/shop",
        f"postgresql://other:{CANARY.replace('/', '')}@db.example/shop",
        base64.b64encode(CANARY.encode()).decode(),
        f"{{'x': \"{CANARY}\"}}",
        '{"password": "cAnArY-of-nobody"}',
        "PGPASSWORD=cAnArY-of-nobody psql",
        "aws_secret_access_key: cAnArY-of-nobody",
        "Authorization: Bearer cAnArY-of-nobody",
        "signed by AKIACANARY0123456789",
        "a token eyJhbGciOi.eyJcAnArY-4711.sig",
        "AGE-SECRET-KEY-1CANARY-4711",
        "-----BEGIN RSA PRIVATE KEY-----\ncAnArY-4711\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncAnArY-4711 cut off",
    ],
)
def test_a_secret_in_a_log_is_masked(text: str) -> None:
    (masked,) = [
        content
        for path, content in files_of(bundle(texts={"logs/x.log": text}), "now", "1").items()
        if path == "logs/x.log"
    ]
    assert MASK in masked
    assert "canary" not in masked.lower()
    assert base64.b64encode(b"cAnArY").decode()[:7] not in masked


def test_what_is_no_secret_stays() -> None:
    text = (
        '{"event": "GET /api/v1/books 200", "host": "db.example", "tokens": 3}\n'
        "https://example.com/a:b at 10:30, see user@example.com and postgresql://db.example/shop"
    )
    assert Masker([SECRET]).text(text) == text


def test_objects_are_masked_in_every_place() -> None:
    container = {
        "name": "api",
        "env": [
            {"name": "GREETING", "value": "cAnArY in an environment variable"},
            {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "token"}}},
        ],
    }
    last_applied = "kubectl.kubernetes.io/last-applied-configuration"
    release = {
        "kind": "BookStoreRelease",
        "metadata": {
            "name": "demo-r1",
            "annotations": {last_applied: "cAnArY", "note": f"with {CANARY}"},
            "managedFields": [{"manager": "cAnArY"}],
        },
        "spec": {
            "podTemplate": json.dumps({"spec": {"containers": [container]}}),
            "intent": {"env": container["env"], "password": "cAnArY", "tokenName": "kept"},
        },
        "status": {"message": f"could not connect to postgresql://a:{CANARY}@db.example/shop"},
    }
    files = files_of(bundle(objects=[release], events=[release]), "now", "1")
    text = everything(files)
    assert "canary" not in text.lower()
    assert "GREETING" in text
    assert "secretKeyRef" in text
    assert "tokenName: kept" in text
    assert "db.example" in text


def test_a_secret_is_described_by_its_keys() -> None:
    files = files_of(bundle(), "now", "1")
    described = yaml.safe_load(files["objects/Secret/demo-db.yaml"])
    uri = base64.b64decode(SECRET["data"]["uri"])
    assert described["keys"] == {"uri": len(uri), "host": len("db.example")}
    assert "annotations" not in described["metadata"]
    assert "canary" not in everything(files).lower()


def test_a_docker_config_and_a_key_file_are_known_by_their_parts() -> None:
    config = secret("pull", **{".dockerconfigjson": f'{{"auths":{{"r":{{"auth":"{CANARY}"}}}}}}'})
    pem = secret("key", pem="-----BEGIN X-----\nline-of-cAnArY\n-----END X-----")
    masker = Masker([config, pem])
    assert "canary" not in masker.text(f"login {CANARY}; key line-of-cAnArY.").lower()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40))
def test_whatever_the_value_it_is_nowhere(value: str) -> None:
    value = value.strip()
    if len(value) < 6 or value in MASK:
        return
    masked = Masker([secret(password=value)]).text(f"a {value} b")
    assert value not in masked.replace(MASK, "")


def test_the_readme_says_what_is_missing() -> None:
    text = files_of(bundle(missing=["events: (Forbidden)"]), "2026-01-01", "1.2")["README.txt"]
    assert "- events: (Forbidden)" in text
    assert "shop/demo" in text
    assert "Missing" not in files_of(bundle(), "2026-01-01", "1.2")["README.txt"]


def test_all_ways_to_name_a_secret_are_followed() -> None:
    pod = {
        "spec": {
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"secret": {"secretName": "volume"}},
                {"projected": {"sources": [{"secret": {"name": "projected"}}]}},
            ],
            "containers": [
                {"envFrom": [{"secretRef": {"name": "all"}}]},
                {"env": [{"valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}]},
            ],
        }
    }
    external = {"spec": {"database": {"external": {"secretName": "uri"}}}}
    assert secret_names([pod, external]) == {"pull", "volume", "projected", "all", "one", "uri"}


def test_the_operators_log_and_metrics_say_nothing_of_others() -> None:
    log = '{"event": "a", "store": "shop/demo"}\n{"event": "b", "store": "x/y"}\n{"event": "c"}\nd'
    assert [line[:13] for line in own_lines(log, "shop", "demo").splitlines()] == [
        '{"event": "a"',
        '{"event": "c"',
        "d",
    ]
    page = (
        'bookstore_replicas{namespace="shop",bookstore="demo"} 1\n'
        'bookstore_replicas{namespace="x",bookstore="demo"} 2\n'
        "bookstore_operator_leader 1\n"
    )
    assert own_metrics(page, "shop", "demo").splitlines() == [
        page.splitlines()[0],
        page.splitlines()[2],
    ]


def test_an_archive_is_new_and_for_its_owner_only(tmp_path: Path) -> None:
    target = tmp_path / "report.tar.gz"
    write_archive(target, "demo", {"b.txt": "b\ud800", "a/a.txt": "a"}, 1_700_000_000)
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as tar:
        assert tar.getnames() == ["demo/a/a.txt", "demo/b.txt"]
        assert {member.mtime for member in tar} == {1_700_000_000}
    before = target.read_bytes()
    with pytest.raises(PluginError, match="Choose another file") as error:
        write_archive(target, "demo", {}, 0)
    assert error.value.code is ExitCode.USAGE
    assert target.read_bytes() == before
    with pytest.raises(PluginError):
        write_archive(tmp_path / "missing" / "x", "demo", {}, 0)
