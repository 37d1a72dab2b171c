"""The tool that reads provider schemas from bindings: what is read, and what is refused."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.infra.bindings import PROVIDER, RESOURCE
from tofu_schemas.mirror import UnknownTypeError, provider_schemas
from tofu_schemas.model.binding import Binding, BindingError
from tofu_schemas.model.configuration import UsedType, required_providers, used_types
from tofu_schemas.wheels import REQUIREMENTS, fetch_wheel, read_bindings

SHOP = UsedType("cloud_shop")


def test_a_binding_gives_the_attributes_with_types_and_flags() -> None:
    attributes = Binding(RESOURCE).schema()["block"]["attributes"]
    assert attributes["name"] == {"type": "string", "required": True}
    assert attributes["size"] == {"type": "string", "optional": True, "computed": True}
    assert attributes["zones"] == {"type": ["set", "string"], "optional": True}
    assert attributes["address"] == {"type": "string", "computed": True}
    assert attributes["status"] == {
        "type": ["list", ["object", {"ready": "bool"}]],
        "computed": True,
    }
    assert attributes["id"] == {"type": "string", "optional": True, "computed": True}
    assert attributes.keys() == {"name", "size", "zones", "address", "status", "id"}


def test_a_binding_gives_the_blocks_with_how_many_there_may_be() -> None:
    blocks = Binding(RESOURCE).schema()["block"]["block_types"]
    assert blocks.keys() == {"rule", "owner"}
    rule, owner = blocks["rule"], blocks["owner"]
    assert (rule["nesting_mode"], rule.get("max_items"), rule.get("min_items")) == (
        "set",
        None,
        None,
    )
    assert rule["block"]["attributes"] == {"port": {"type": "number", "required": True}}
    assert (owner["nesting_mode"], owner["max_items"], owner["min_items"]) == ("list", 1, 1)


def test_a_block_that_contains_itself_is_refused() -> None:
    table = "    const attrs = {\n"
    inner = (
        "        again: {\n"
        "            value: cloudShopRuleToHclTerraform(struct.again),\n"
        "            isBlock: true,\n"
        '            type: "list",\n'
        '            storageClassType: "CloudShopRuleList",\n'
        "        },\n"
    )
    with pytest.raises(BindingError, match="CloudShopRuleOutputReference contains itself"):
        Binding(RESOURCE.replace(table, table + inner, 1)).schema()


def test_a_file_that_is_no_binding_is_refused() -> None:
    with pytest.raises(BindingError, match="0 classes"):
        Binding("class Nothing extends Object {\n}\n").schema()


def test_only_used_types_are_read_and_unknown_ones_are_refused() -> None:
    bindings = {"provider": PROVIDER, "shop": RESOURCE}
    schemas = provider_schemas(bindings, {SHOP})
    assert schemas["resource_schemas"].keys() == {"cloud_shop"}
    assert schemas["provider"]["block"]["attributes"].keys() == {"region"}
    with pytest.raises(UnknownTypeError, match="cloud_shopp"):
        provider_schemas(bindings, {SHOP, UsedType("cloud_shopp")})


def test_a_type_named_like_a_word_of_javascript_is_read_from_its_other_folder() -> None:
    schemas = provider_schemas({"provider": PROVIDER, "shop-resource": RESOURCE}, {SHOP})
    assert schemas["resource_schemas"].keys() == {"cloud_shop"}


def test_types_and_providers_are_found_in_configurations() -> None:
    text = (
        'terraform {\n  required_providers {\n    cloud = {\n      source  = "hashicorp/cloud"\n'
        '    }\n  }\n}\nresource "cloud_shop" "this" {\n}\n# resource "cloud_no" "x"\n'
        'data "cloud_zone_list" "this" {\n}\n'
    )
    data = UsedType("cloud_zone_list", is_data=True)
    assert used_types([text]) == {SHOP, data}
    assert SHOP.folders == ("shop", "shop-resource")
    assert data.folders[0] == "data-cloud-zone-list"
    assert required_providers([text]) == {"cloud"}


def test_bindings_are_read_from_a_wheel(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        files = {"shop/index.js": "a", "shop/structs/structs0.js": "b", "shop/index.d.ts": "c"}
        for name, text in {**files, "other/index.js": "d"}.items():
            member = tarfile.TarInfo(f"package/lib/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("x/_jsii/provider@1.jsii.tgz", packed.getvalue())
    assert read_bindings(wheel, {"shop", "none"}) == {"shop": "a\nb\n"}


def test_each_provider_of_infra_has_a_pinned_wheel() -> None:
    files = Path("infra").glob("*/*.tf")
    required = required_providers(file.read_text() for file in files)
    pinned = REQUIREMENTS.read_text()
    assert required
    assert [name for name in sorted(required) if f"cdktn-provider-{name}==" not in pinned] == []
    assert pinned.count("==") == pinned.count("--hash=sha256:") >= len(required)


def test_a_provider_without_a_wheel_is_refused() -> None:
    with pytest.raises(LookupError, match="no wheel for the provider nocloud"):
        fetch_wheel("nocloud")
