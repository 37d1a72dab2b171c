"""P3, configuration validation: settings are the documented ones, or each wrong one is named.

The rules are written down here once more, in plain Python and from the documentation: nothing of
what is tested decides what is expected.
"""

import base64
import json
import logging
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bookstore_api.cli import app
from bookstore_api.settings import Settings, SettingsError, load_settings
from bookstore_api.settings.policy import OF_THE_DATABASE
from tests.support.examples import scaled

ANYWHERE = "::"
# In every secret, and in every value that is malformed. It is in nothing that may be shown.
CANARY = "canary7f3a"

ENVIRONMENTS = {
    "development": "development",
    "dev": "development",
    "DEV": "development",
    "staging": "staging",
    "production": "production",
    "prod": "production",
}
# What is not the same in every environment.
CONTAINER = {"host": ANYWHERE, "internal_host": ANYWHERE, "log_format": "json"}
FILES: dict[str, dict[str, Any]] = {
    "development": {
        "debug": True,
        "payment_provider": "test",
        "database_url": "sqlite:///bookstore.db",
    },
    "staging": CONTAINER,
    "production": CONTAINER,
}
MOUNTED = {
    "database_url": "database/uri",
    "database_direct_url": "database/direct-uri",
    "redis_url": "redis/uri",
    "staff_token": "staff/token",
    "signing_keys": "signing/keys",
    "smtp_url": "smtp/uri",
    "payment_secrets": "payments/webhook-secrets",
}


@dataclass(frozen=True)
class Given:
    """What a source holds for a setting: a text, and what that means."""

    text: str
    value: Any = None
    # `sound`, `malformed`, or why an environment rejects it.
    quality: str = "sound"


Givens = st.SearchStrategy[Given]


def malformed(*texts: str) -> Givens:
    return st.sampled_from([Given(text, quality="malformed") for text in texts])


def sound(texts: st.SearchStrategy[str], value: Callable[[str], Any] = str) -> Givens:
    return texts.map(lambda text: Given(text, value(text)))


def words(*some: str) -> Givens:
    return sound(st.sampled_from([*some, *(word.upper() for word in some)]), str.lower)


def whole(least: int, most: int) -> tuple[Givens, Givens]:
    wrong = malformed(f"{least - 1}", f"{most + 1}", "1.5", "nan", CANARY)
    return sound(st.integers(least, most).map(str), int), wrong


def seconds(most: int, *, zero: bool) -> tuple[Givens, Givens]:
    least = 0.0 if zero else 0.001
    wrong = malformed("-1", f"{most + 1}", "nan", "inf", CANARY, *([] if zero else ["0"]))
    return sound(st.floats(least, most).map(repr), float), wrong


def text() -> tuple[Givens, Givens]:
    # A variable that is no UTF-8 is, in Python, one with half of a pair.
    some = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
    return sound(some), malformed(f"{CANARY}\udcff")


RATES = (
    sound(st.from_regex(r"[1-9][0-9]{0,8}/(second|minute|hour)", fullmatch=True)),
    malformed("0/minute", "10/day", "10", "-1/hour", f"{CANARY}/minute"),
)
HOSTS = (
    sound(st.sampled_from(["127.0.0.1", "::1", "localhost", ANYWHERE])),
    malformed(f"{CANARY} x", f"http://{CANARY}"),
)
PORTS = whole(0, 65535)
PROVIDERS = (words("none", "test"), malformed(CANARY, "free"))
BOOLS = (
    sound(st.sampled_from(["true", "1", "yes"]), lambda _: True)
    | sound(st.sampled_from(["false", "0", "off"]), lambda _: False),
    malformed("maybe", "2", CANARY),
)


def listed(text: str) -> tuple[str, ...]:
    return tuple(part for item in text.split(",") if (part := item.strip()))


ORIGINS = sound(
    st.sampled_from(
        ["https://shop.example", "http://localhost:3000, https://a.example", "https://[::1]:8443,"]
    ),
    listed,
) | st.sampled_from(
    [Given("*", ("*",), "wildcard"), Given("https://a.b,*", ("https://a.b", "*"), "wildcard")]
)
NETWORKS = sound(
    st.sampled_from(["10.0.0.0/8", "10.1.2.3, fd00::/8", "192.168.0.0/16,"]),
    lambda text: tuple(map(ip_network, listed(text))),
)

secrets = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=24, max_size=24).map(
    lambda drawn: CANARY + drawn
)


def database(drawn: str, quality: str) -> Given:
    text = {
        "sound": f"postgresql://shop:{drawn}@db:5432/books?sslmode=require",
        "sqlite": "sqlite:////data/books.db",
        "known": f"postgres://{CANARY}:PostGres@db/books",
        "malformed": f"mysql://shop:{drawn}@db/books",
    }
    return Given(text[quality], text[quality], quality)


def token(drawn: str, quality: str) -> Given:
    text = {
        "sound": drawn,
        "short": drawn[:31],
        "known": f"{CANARY}-" * 4,
        "malformed": f"{drawn} {drawn}",
    }
    return Given(text[quality], text[quality], quality)


def redis(drawn: str, quality: str) -> Given:
    text = {
        "sound": f"redis://:{drawn}@cache:6379/0",
        "malformed": f"http://:{drawn}@cache",
    }
    return Given(text[quality], text[quality], quality)


def signing_keys(drawn: str, quality: str) -> Given:
    key = drawn.encode().hex() + 16 * "0"
    text = {
        "sound": json.dumps({"signing": "k1", "keys": {"k1": key, "k2": key}}),
        "malformed": json.dumps({"signing": "k3", "keys": {"k1": key}}),
    }
    return Given(text[quality], text[quality], quality)


def smtp(drawn: str, quality: str) -> Given:
    text = {
        "sound": f"smtp://shop:{drawn}@mail:587",
        "malformed": f"smtp://shop:{drawn}@mail?tls=off",
    }
    return Given(text[quality], text[quality], quality)


def webhook_secrets(drawn: str, quality: str) -> Given:
    secret = f"whsec_{base64.b64encode(drawn.encode()).decode()}"
    text = {"sound": f"{secret} {secret}", "malformed": f"{secret} {drawn}"}
    return Given(text[quality], text[quality], quality)


def drawn_secret(make: Callable[[str, str], Given], *verdicts: str) -> tuple[Givens, Givens]:
    return (
        secrets.map(lambda drawn: make(drawn, "sound")),
        st.builds(make, secrets, st.sampled_from(verdicts)),
    )


URIS = drawn_secret(database, "sqlite", "known", "malformed")


@dataclass(frozen=True)
class Rule:
    """Of a setting: its default, texts that are sound, and texts that are wrong somewhere."""

    default: Any
    sound: Givens
    wrong: Givens


RULES = {
    "debug": Rule(False, *BOOLS),
    "docs": Rule(True, *BOOLS),
    "database_url": Rule(None, *URIS),
    "database_direct_url": Rule(None, *URIS),
    "database_pool_size": Rule(5, *whole(1, 1000)),
    "migration_lock_seconds": Rule(60.0, *seconds(3600, zero=True)),
    "redis_url": Rule(None, *drawn_secret(redis, "malformed")),
    "redis_timeout_seconds": Rule(0.1, *seconds(10, zero=False)),
    "cache_seconds": Rule(30, *whole(0, 3600)),
    "cache_local_seconds": Rule(1.0, *seconds(2, zero=True)),
    "staff_token": Rule(None, *drawn_secret(token, "short", "known", "malformed")),
    "signing_keys": Rule(None, *drawn_secret(signing_keys, "malformed")),
    "smtp_url": Rule(None, *drawn_secret(smtp, "malformed")),
    "payment_provider": Rule("none", *PROVIDERS),
    "payment_secrets": Rule(None, *drawn_secret(webhook_secrets, "malformed")),
    "mail_from": Rule(
        "bookstore@localhost",
        sound(st.sampled_from(["shop@example.com", "no-reply@mail.example"])),
        malformed(CANARY, f"{CANARY}@", f"{CANARY} <shop@example.com>"),
    ),
    "public_url": Rule(
        None,
        sound(
            st.sampled_from(["https://shop.example", "http://localhost:3000/", "https://a.b/c"]),
            lambda text: text.rstrip("/"),
        ),
        malformed(CANARY, f"https://{CANARY}?a=b", f"ftp://{CANARY}"),
    ),
    "host": Rule("127.0.0.1", *HOSTS),
    "port": Rule(8000, *PORTS),
    "internal_host": Rule("127.0.0.1", *HOSTS),
    "internal_port": Rule(8001, *PORTS),
    "drain_seconds": Rule(5.0, *seconds(3600, zero=True)),
    "shutdown_seconds": Rule(20.0, *seconds(3600, zero=True)),
    "connection_max_age_seconds": Rule(300.0, *seconds(86400, zero=False)),
    "log_level": Rule("info", words("debug", "info", "warning", "error"), malformed(CANARY, "all")),
    "log_format": Rule(None, words("json", "console"), malformed(CANARY, "xml")),
    "cors_origins": Rule((), ORIGINS, malformed(f"https://{CANARY}/x", "https://*.a", CANARY)),
    "trusted_proxies": Rule((), NETWORKS, malformed(CANARY, "10.0.0.1/8", "10.0.0.0/33")),
    "disk_min_free_bytes": Rule(64 * 1024 * 1024, *whole(0, 1024**6)),
    "max_body_bytes": Rule(1048576, *whole(1024, 100 * 1024 * 1024)),
    "max_header_bytes": Rule(32768, *whole(1024, 1024 * 1024)),
    "header_seconds": Rule(10.0, *seconds(300, zero=False)),
    "body_seconds": Rule(30.0, *seconds(3600, zero=False)),
    "rate_limit_reads": Rule("6000/minute", *RATES),
    "rate_limit_writes": Rule("600/minute", *RATES),
    "revision": Rule("", *text()),
    "color": Rule("", *text()),
    "image": Rule("", *text()),
}


@dataclass(frozen=True)
class Drawn:
    """All that the sources hold."""

    environment: str | None
    variables: dict[str, Given]
    empty: set[str]  # variables that are set to nothing
    mounted: dict[str, Given | bytes | None]  # a text, what is no text, or a folder


@st.composite
def drawings(draw: st.DrawFn) -> Drawn:
    """Draw sources; half of the time without a fault, or hardly any combination were sound."""
    faulty = draw(st.booleans())
    environment = draw(st.sampled_from([None, "", *ENVIRONMENTS, *([CANARY] if faulty else [])]))
    chosen = draw(st.sets(st.sampled_from(sorted(RULES)), max_size=12))

    def given_for(setting: str) -> Given:
        rule = RULES[setting]
        return draw(rule.sound | rule.wrong if faulty else rule.sound)

    variables = {setting: given_for(setting) for setting in sorted(chosen)}
    mounted: dict[str, Given | bytes | None] = {}
    for setting in sorted(draw(st.sets(st.sampled_from(sorted(MOUNTED))))):
        odd = draw(st.sampled_from(["", "blank", "binary", "folder"])) if faulty else ""
        match odd:
            case "blank":
                mounted[setting] = b" \n\t"
            case "binary":
                mounted[setting] = CANARY.encode() + b"\xff\xfe"
            case "folder":
                mounted[setting] = None
            case _:
                mounted[setting] = given_for(setting)
    if not faulty:
        for setting in ("database_url", "staff_token"):
            if setting not in {*variables, *mounted}:
                variables[setting] = given_for(setting)
    empty = draw(st.sets(st.sampled_from(sorted(RULES)), max_size=3)) - set(variables)
    return Drawn(environment, variables, empty, mounted)


@dataclass(frozen=True)
class Effective:
    """What a setting should be, and where from."""

    given: Given
    source: str
    file: Path | None = None


def effective(drawn: Drawn, folder: Path) -> dict[str, Effective]:
    """State the precedence: the default, the environment's file, the variable, the secret."""
    name = ENVIRONMENTS.get(drawn.environment or "development")
    from_file = FILES[name] if name else {}
    expected = {}
    for setting, rule in RULES.items():
        expected[setting] = Effective(Given("", rule.default), "default")
        if setting in from_file:
            value = from_file[setting]
            quality = "sqlite" if str(value).startswith("sqlite:") else "sound"
            expected[setting] = Effective(Given("", value, quality), f"{name}.toml")
        if setting in drawn.variables:
            expected[setting] = Effective(drawn.variables[setting], variable(setting))
        if setting in drawn.mounted:
            held = drawn.mounted[setting]
            file = folder / MOUNTED[setting]
            if isinstance(held, Given):
                expected[setting] = Effective(held, str(file), file)
            elif held is None or held.strip():
                expected[setting] = Effective(Given("", quality="malformed"), str(file), file)
    return expected


def wrong_ones(drawn: Drawn, expected: dict[str, Effective]) -> dict[str, Path | None]:
    """State what keeps `serve` from starting: the wrong settings, and the files they are from."""
    wrong = {
        name: effect.file
        for name, effect in expected.items()
        if effect.given.quality == "malformed"
    }
    environment = ENVIRONMENTS.get(drawn.environment or "development")
    if environment is None:
        return {"environment": None, **wrong}
    if environment == "development":
        return wrong
    rejected = {name for name, effect in expected.items() if effect.given.quality not in OPEN}
    if expected["debug"].given.value is True and environment == "production":
        rejected.add("debug")
    if expected["payment_provider"].given.value == "test" and environment == "production":
        rejected.add("payment_provider")
    for setting in ("database_url", "staff_token"):
        if expected[setting].source == "default":
            rejected.add(setting)
    return wrong | {name: expected[name].file for name in rejected}


OPEN = {"sound", "malformed"}


def variable(setting: str) -> str:
    return f"BOOKSTORE_{setting.upper()}"


@contextmanager
def sources(drawn: Drawn) -> Iterator[Path]:
    """Have the sources hold what was drawn, for the block."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        for setting, held in drawn.mounted.items():
            path = folder / MOUNTED[setting]
            path.parent.mkdir(exist_ok=True)
            if held is None:
                path.mkdir()
            else:
                path.write_bytes(f"{held.text}\n".encode() if isinstance(held, Given) else held)
        patch.setenv("BOOKSTORE_SECRETS_DIR", name)
        if drawn.environment is not None:
            patch.setenv("BOOKSTORE_ENVIRONMENT", drawn.environment)
        for setting, given in drawn.variables.items():
            patch.setenv(variable(setting), given.text)
        for setting in drawn.empty:
            patch.setenv(variable(setting), "")
        yield folder


def named(error: SettingsError) -> dict[str, Path | None]:
    """Read an error: the settings that it names, with the files, one a line."""
    named: dict[str, Path | None] = {}
    for line in str(error).splitlines()[1:]:
        if line.startswith("  "):
            head = line.strip().partition(": ")[0]
            name, _, file = head.partition(" (from ")
            setting = name.removeprefix("BOOKSTORE_").lower()
            assert setting not in named, "named twice"
            named[setting] = Path(file.removesuffix(")")) if file else None
    return named


def loaded(enforced: tuple[str, ...] | None = None) -> Settings | SettingsError:
    try:
        return load_settings(enforced=enforced)
    except SettingsError as error:
        return error


def plain(value: Any) -> Any:
    """A value as JSON holds it."""
    return [str(item) for item in value] if isinstance(value, tuple) else value


def test_the_rules_are_those_of_every_setting() -> None:
    assert {*RULES, "environment", "secrets_dir"} == set(Settings.model_fields)


@settings(max_examples=scaled(200))
@given(drawn=drawings())
def test_settings_are_the_documented_ones_or_exactly_the_wrong_are_named(drawn: Drawn) -> None:
    with sources(drawn) as folder:
        expected = effective(drawn, folder)
        wrong = wrong_ones(drawn, expected)
        outcome, of_a_migration = loaded(), loaded(OF_THE_DATABASE)
        event(f"{ENVIRONMENTS.get(drawn.environment or '', '-')}: {'wrong' if wrong else 'sound'}")
        if isinstance(outcome, SettingsError):
            assert named(outcome) == wrong
        else:
            assert wrong == {}
            assert_as_documented(outcome, drawn, expected, folder)
        # A migration uses the database only, and is not kept from it by what the rest rejects.
        judged = {
            name: file
            for name, file in wrong.items()
            if name in MIGRATION
            or name == "environment"
            or expected[name].given.quality == "malformed"
        }
        if isinstance(of_a_migration, SettingsError):
            assert named(of_a_migration) == judged
        else:
            assert judged == {}


MIGRATION = {"database_url", "database_direct_url"}


def assert_as_documented(
    outcome: Settings, drawn: Drawn, expected: dict[str, Effective], folder: Path
) -> None:
    assert outcome.environment == ENVIRONMENTS[drawn.environment or "development"]
    assert outcome.secrets_dir == folder
    for name, effect in expected.items():
        value = getattr(outcome, name)
        secret = getattr(value, "get_secret_value", None)
        assert (secret() if secret else value) == effect.given.value, name
    direct = expected["database_direct_url"].given.value
    assert outcome.database_uri() == expected["database_url"].given.value
    assert outcome.database_uri(direct=True) == (direct or expected["database_url"].given.value)
    assert outcome.secret_now("redis_url") == expected["redis_url"].given.value
    assert outcome.secret_now("staff_token") == expected["staff_token"].given.value


@settings(max_examples=scaled(100))
@given(drawn=drawings())
def test_no_secret_is_ever_shown(drawn: Drawn) -> None:
    logged: list[str] = []
    with sources(drawn) as folder, logs_into(logged):
        expected = effective(drawn, folder)
        wrong = wrong_ones(drawn, expected)
        outcome = loaded()
        table = CliRunner().invoke(app, ["config"])
        document = CliRunner().invoke(app, ["config", "--format", "json"])
    shown = [repr(outcome), str(outcome), *logged]
    if isinstance(outcome, SettingsError):
        shown += traceback.format_exception(outcome)
    else:
        shown += [outcome.model_dump_json(), repr(outcome.model_dump())]
    for result in (table, document):
        assert result.exit_code == (1 if wrong else 0)
        shown += [result.stdout, result.stderr]
    assert not [line for line in shown if CANARY in line]

    rows = {row["variable"]: row for row in json.loads(document.stdout)["settings"]}
    for name, effect in expected.items():
        row = rows[variable(name)]
        assert row["source"] == effect.source
        if effect.given.quality == "malformed":
            assert row["value"] == "(malformed)"
        elif name not in MOUNTED:
            assert row["value"] == plain(effect.given.value)
        elif effect.given.value is None:
            assert row["value"] is None
        elif name in {"staff_token", "signing_keys", "payment_secrets"}:
            assert row["value"] == "••••"
        else:
            assert row["value"] in WHERE_IT_LEADS
    assert {row["variable"] for row in json.loads(document.stdout)["wrong"]} == set(
        map(variable, wrong)
    )


WHERE_IT_LEADS = {
    "postgresql://••••@db:5432/books",
    "postgres://••••@db/books",
    "sqlite:////data/books.db",
    "sqlite:///bookstore.db",
    "redis://••••@cache:6379/0",
    "smtp://••••@mail:587",
}


@contextmanager
def logs_into(lines: list[str]) -> Iterator[None]:
    """Take whatever any library logs, of whatever level."""

    class Taking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.__dict__}")

    root, handler = logging.getLogger(), Taking()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
