"""P3, configuration validation: operator and API agree on names, types and bounds of settings."""

import base64
import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookstore_api.settings import Settings, load_settings
from bookstore_api.settings.key_set import parse_key_set
from bookstore_api.uris.redis import parse_redis_uri
from bookstore_api.uris.smtp import parse_smtp_uri
from bookstore_operator.components.serving.pod_template import api_pod_template
from bookstore_operator.components.signing_keys.manifests import FIRST_KEYS
from bookstore_operator.core.contract import SHORTEST_TOKEN
from bookstore_operator.core.key_sets import read_document, with_changes
from bookstore_operator.core.secret_values import Content, invalid_reason
from bookstore_operator.crd.bookstore import BookStoreSpec
from bookstore_operator.crd.intent import intent_of
from bookstore_operator.crd.release import Color
from bookstore_operator.crd.schema import crds
from bookstore_operator.runtime.key_writer import fill_in, generated_values
from tests.support.examples import scaled

pytestmark = pytest.mark.scenario

Schema = Mapping[str, Any]
SPEC: Schema = crds()[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
CONFIG: Schema = SPEC["properties"]["config"]
LIMITS = ["off", "1/second", "999999999/hour", "600/minute"]
ORIGINS = ["https://shop.example", "http://localhost:8080", "https://[fd00::7]:8443"]
NETWORKS = ["10.0.0.0/8", "192.168.1.7/32", "fd00::/8", "::1/128"]
TEXTS = {
    "mailFrom": ["shop@books.example", "no-reply+shop@mail.books.example", "bookstore@localhost"],
    "publicUrl": ["https://books.example", "http://localhost:8080/shop/", "https://[fd00::7]:8443"],
}
LISTS = {"corsOrigins": ORIGINS, "trustedProxies": NETWORKS}


def value_of(name: str, field: Schema) -> st.SearchStrategy[Any]:
    """Draw what the API server takes for a field, its bounds often."""
    if "properties" in field:
        return config_of(field)
    if "enum" in field:
        return st.sampled_from(field["enum"])
    match field["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            low, high = field["minimum"], field["maximum"]
            return st.one_of(st.sampled_from([low, high]), st.integers(low, high))
        case "array":
            return st.lists(st.sampled_from(LISTS[name]), max_size=3, unique=True)
        case "string":
            texts = TEXTS.get(name, LIMITS)
            assert all(re.search(field["pattern"], text) for text in texts), name
            return st.sampled_from(texts)
    raise AssertionError(f"{name}: draw a value for it here")


def config_of(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: value_of(name, field) for name, field in schema["properties"].items()}
    return st.fixed_dictionaries({}, optional=fields)


def environment_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the API's container."""
    intent = intent_of(BookStoreSpec.model_validate({"image": "api:1", **spec}))
    container = api_pod_template("demo", 1, Color.BLUE, intent)["spec"]["containers"][0]
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Secrets as Pods find them."""
    folder = tmp_path_factory.mktemp("secrets")
    files = {
        "database/uri": "postgresql://bookstore:hP9xkQz7@demo-db:5432/bookstore",
        "redis/uri": "redis://:hP9xkQz7@demo-cache:6379/0",
        "staff/token": secrets.token_hex(SHORTEST_TOKEN // 2),
        "signing/keys": generated_key_set(),
        "smtp/uri": "smtp://shop:hP9xkQz7@mail.books.example:587",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    return folder


def generated_key_set() -> str:
    """A key set as the operator writes it first."""
    return fill_in(FIRST_KEYS["keys"], generated_values())


def loaded(environment: Mapping[str, str], mounted: Path) -> Settings:
    with patch.dict(os.environ, {**environment, "BOOKSTORE_SECRETS_DIR": str(mounted)}, clear=True):
        return load_settings()


@pytest.mark.parametrize("environment", ["production", "staging", "development"])
@settings(max_examples=scaled(50), deadline=None)
@given(config=config_of(CONFIG))
def test_the_api_starts_with_every_config_that_the_crd_accepts(
    mounted: Path, environment: str, config: dict[str, Any]
) -> None:
    variables = environment_of({"environment": environment, "config": config})
    assert loaded(variables, mounted).environment == environment


def config_of_everything() -> dict[str, Any]:
    """A config with every field that has no default."""
    return {
        "docs": True,
        "corsOrigins": ORIGINS[:1],
        "trustedProxies": NETWORKS[:1],
        "rateLimits": {"reads": "off", "writes": "5/minute"},
        "maxBodyBytes": 2048,
        "maxHeaderBytes": 4096,
        "headerSeconds": 3,
        "bodySeconds": 4,
        "connectionMaxAgeSeconds": 5,
        "redisTimeoutMilliseconds": 7,
        "mailFrom": "shop@books.example",
        "publicUrl": "https://books.example",
    }


def test_every_variable_is_a_setting_of_the_api() -> None:
    everything = config_of_everything()
    always = {"logLevel", "drainSeconds", "shutdownSeconds", "databasePoolSize"}
    assert set(everything) | always == set(CONFIG["properties"])
    variables = environment_of({"config": everything})
    names = {f"BOOKSTORE_{name.upper()}" for name in Settings.model_fields}
    assert variables.keys() <= names
    assert len(variables) == len(environment_of({})) + len(everything) + 1, "two limits"


# Settings that neither spec.config nor a mounted Secret sets, each with the reason.
EXCEPTIONS = {
    "cache_local_seconds": "the default is a promise of docs/reference/http.md",
    "cache_seconds": "the default is a promise of docs/reference/http.md; no spec.cache, no cache",
    "debug": "development only",
    "disk_min_free_bytes": "Pods write to their /tmp only",
    "migration_lock_seconds": "the operator limits migrations by spec.migration",
    "payment_provider": "not yet: there is no other than the one for tests, off in production",
    "payment_secrets": "not yet: a Secret that the spec names is to be mounted",
}


def test_every_setting_is_set_by_the_spec_or_has_a_reason_not_to_be() -> None:
    everything = config_of_everything()
    variables = environment_of({"config": everything, "environment": "production"})
    set_by_spec = {name.removeprefix("BOOKSTORE_").lower() for name in variables}
    mounted = {
        *("database_url", "database_direct_url", "redis_url"),
        *("staff_token", "signing_keys", "smtp_url"),
    }
    settings_of_api = set(Settings.model_fields)
    assert settings_of_api - set_by_spec - mounted == set(EXCEPTIONS)


def test_what_is_set_arrives(mounted: Path) -> None:
    config = {
        "docs": False,
        "corsOrigins": ORIGINS[:2],
        "trustedProxies": NETWORKS[:2],
        "rateLimits": {"reads": "off", "writes": "5/minute"},
        "connectionMaxAgeSeconds": 5,
        "redisTimeoutMilliseconds": 7,
        "maxBodyBytes": 2048,
    }
    settings_of_api = loaded(environment_of({"config": config}), mounted)
    assert settings_of_api.docs is False
    assert list(settings_of_api.cors_origins) == ORIGINS[:2]
    assert [str(network) for network in settings_of_api.trusted_proxies] == NETWORKS[:2]
    assert (settings_of_api.rate_limit_reads, settings_of_api.rate_limit_writes) == (
        "off",
        "5/minute",
    )
    assert settings_of_api.connection_max_age_seconds == 5
    assert settings_of_api.redis_timeout_seconds == 0.007
    assert settings_of_api.max_body_bytes == 2048


def test_a_wildcard_origin_arrives_in_development(mounted: Path) -> None:
    variables = environment_of({"environment": "development", "config": {"corsOrigins": ["*"]}})
    assert list(loaded(variables, mounted).cors_origins) == ["*"]


@pytest.mark.parametrize(
    "uri",
    [
        *("redis://cache", "redis://:secret@cache:6379/0", "rediss://user:p%40ss@cache:6380/15"),
        *("redis://[fd00::7]:6379", "http://cache:6379", "cache:6379", "redis://:secret@:6379/0"),
        *("redis://:s/ecret@cache:6379/0", "redis://cache:6379/sessions", "redis://cache:port/0"),
    ],
)
def test_operator_and_api_agree_on_redis_uris(uri: str) -> None:
    """What would keep the API from starting keeps the release from beginning."""
    reason = invalid_reason(base64.b64encode(uri.encode()).decode(), Content.REDIS_URI)
    with pytest.raises(ValueError) if reason else nullcontext():  # noqa: PT011 - any
        parse_redis_uri(uri)


SMTP_URIS = [
    *(
        "smtp://mail",
        "smtp://user:p%40ss@mail:587",
        "smtps://user:pass@mail",
        "smtp://mail?tls=off",
    ),
    *("smtp://[fd00::7]:25?tls=starttls", "smtp://user:pass@mail?tls=off", "smtps://mail?tls=off"),
    *(
        "smtp://user@mail",
        "smtp://:pass@mail",
        "smtp://",
        "mail:25",
        "http://mail",
        "smtp://mail/x",
    ),
    *("smtp://mail#x", "smtp://a:1,b:2", "smtp://mail:0", "smtp://mail?tls=on", "smtp://mail?x=y"),
    *("smtp://us er:pass@mail", "smtp://user:p%zz@mail", "smtp://mäil", "smtp://mail:port"),
]


@pytest.mark.parametrize("uri", SMTP_URIS)
def test_operator_and_api_agree_on_smtp_uris(uri: str) -> None:
    """What would keep the API from starting keeps the release from beginning."""
    reason = invalid_reason(base64.b64encode(uri.encode()).decode(), Content.SMTP_URI)
    with pytest.raises(ValueError) if reason else nullcontext():  # noqa: PT011 - any
        parse_smtp_uri(uri)


KEY = "0f" * 32


@pytest.mark.parametrize(
    "text",
    [
        f'{{"signing": "a", "keys": {{"a": "{KEY}"}}}}',
        f'{{"keys": {{"a": "{KEY}", "b_-9": "{KEY * 2}"}}, "signing": "b_-9"}}',
        f'{{"signing": "b", "keys": {{"a": "{KEY}"}}}}',
        f'{{"signing": "a", "keys": {{"a": "{KEY}"}}, "more": 1}}',
        f'{{"signing": "a", "keys": {{"a": "{KEY.upper()}"}}}}',
        f'{{"signing": "a", "keys": {{"a": "{KEY[2:]}"}}}}',
        f'{{"signing": "a b", "keys": {{"a b": "{KEY}"}}}}',
        f'{{"signing": ["a"], "keys": {{"a": "{KEY}"}}}}',
        '{"signing": "a", "keys": {"a": 7}}',
        *('{"signing": "a", "keys": {}}', "{}", "[]", "null", "7", "", "keys", "[" * 9999),
        json.dumps({"signing": "k0", "keys": {f"k{number}": KEY for number in range(9)}}),
    ],
)
def test_operator_and_api_agree_on_key_sets(text: str) -> None:
    with nullcontext() if read_document(text) else pytest.raises(ValueError):  # noqa: PT011 - any
        parse_key_set(text)


def test_the_api_reads_the_key_sets_that_the_operator_writes() -> None:
    first = read_document(generated_key_set())
    assert first is not None
    published = with_changes(first, {"new": KEY}, first.signing, ())
    assert parse_key_set(published.text()).kids == sorted([first.signing, "new"])
    rotated = with_changes(published, {}, "new", (first.signing,))
    assert parse_key_set(rotated.text()).signing == "new"
    assert rotated.keys == {"new": KEY}


def test_no_two_generated_keys_or_ids_are_the_same() -> None:
    texts = {value for _ in range(20) for value in generated_values().values()}
    assert len(texts) == 60
