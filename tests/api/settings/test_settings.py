"""P3, configuration validation: what the oracle beside this does not draw, and the contract."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from bookstore_api.settings import Environment, Settings, SettingsError, load_settings
from bookstore_api.settings.model import variable_of
from bookstore_api.settings.policy import is_well_known, violations
from bookstore_api.settings.report import Row, masked, to_table
from bookstore_api.settings.sources import FILES, file_of
from bookstore_api.settings.unknown import Unknown, unknown_variables
from tests.support.bookstore import environment, run_command

ROOT = Path(__file__).parents[3]
SECRET = "hunter2-canary"
TOKEN = "d4b0c9f1e2a7485f93c6b1a0e8d7f652"
DATABASE = "postgresql://shop:Tq9vXw2m@db:5432/books"


def production(folder: Path, **settings: object) -> Settings:
    return Settings.model_validate(
        {"environment": "production", "secrets_dir": folder, "database_url": None, **settings}
    )


def mount(folder: Path, name: str, secret: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(secret, encoding="utf-8")
    return path


def load(monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: str) -> Settings:
    """Load settings as a process does that has these variables, and secrets in the folder."""
    for name, value in {"secrets_dir": str(folder), **settings}.items():
        monkeypatch.setenv(variable_of(name), value)
    return load_settings()


# Where a value is from


def test_an_argument_wins_over_all_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mount(tmp_path, "database/uri", "postgresql://mounted@db/books")
    load(monkeypatch, tmp_path, database_url=DATABASE)
    settings = Settings.model_validate({"database_url": "postgresql://given@db/books"})
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://given@db/books"


@pytest.mark.parametrize("environment", Environment)
def test_the_file_of_an_environment_holds_defaults_only(environment: Environment) -> None:
    defaults = tomllib.loads(file_of(environment).read_text(encoding="utf-8"))
    assert set(defaults) <= set(Settings.model_fields) - {"environment", "secrets_dir"}
    Settings.model_validate({"environment": environment, **defaults})
    if environment is not Environment.DEVELOPMENT:
        assert not set(defaults) & set(FILES), "a secret that everybody knows"


def test_the_wheel_has_the_files_of_the_environments(tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"),
            *("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", tmp_path),
            ROOT / "api",
        ],
        check=True,
        timeout=60,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for value in Environment:
        assert f"bookstore_api/settings/{file_of(value).name}" in names


# Secrets


def test_a_mounted_secret_is_read_again_until_it_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mount(tmp_path, "staff/token", TOKEN)
    settings = load(monkeypatch, tmp_path)
    file = mount(tmp_path, "staff/token", f"{SECRET}\n")
    assert settings.secret_now("staff_token") == SECRET
    file.unlink()
    assert settings.secret_now("staff_token") == TOKEN, "removing it must not open writes"


def test_an_unreadable_secret_is_an_error_and_not_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = production(tmp_path, database_url="postgresql://u@h/d")
    (tmp_path / "database" / "uri").mkdir(parents=True)
    mount(tmp_path, "redis/uri", "").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="can't be read"):
        settings.database_uri()
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, tmp_path, database_url="postgresql://u@h/d")
    message = str(caught.value)
    assert f"BOOKSTORE_DATABASE_URL (from {tmp_path}/database/uri): It can't be read" in message
    assert f"BOOKSTORE_REDIS_URL (from {tmp_path}/redis/uri): It is not text in UTF-8" in message


# What is rejected


def rejected(folder: Path, **settings: object) -> set[str]:
    sound = {"database_url": DATABASE, "staff_token": TOKEN}
    return {setting for setting, _ in violations(production(folder, **sound | settings))}


@pytest.mark.parametrize(
    ("uri", "well_known"),
    [
        ("postgresql://shop:bookstore@db/books", True),
        ("postgresql://shop:PostGres@db/books", True),
        ("postgresql://shop:p%40ssw0rd@db/books", True),
        ("postgresql://anna:anna@db/books", True),
        ("postgresql://anna@db/books?password=secret", True),
        ("postgresql://db/books?user=anna&password=anna", True),
        ("postgresql://anna@db/books?sslmode=verify-full", False),  # a certificate, perhaps
        ("postgresql://anna:bookstore-Tq9vXw2m@db/books", False),
    ],
)
def test_a_well_known_password_is_rejected(uri: str, well_known: bool, tmp_path: Path) -> None:
    assert rejected(tmp_path, database_url=uri) == ({"database_url"} if well_known else set())


def test_a_repeated_piece_is_no_secret() -> None:
    assert is_well_known("changeme-changeme-changeme-chang")
    assert is_well_known("z" * 64)
    assert not is_well_known(TOKEN)


@pytest.mark.parametrize(
    "settings",
    [
        {"database_url": f"postgresql://u:{SECRET}\x00@h/d"},
        {"host": ""},
        {"secrets_dir": f"{SECRET}\udcff"},
    ],
)
def test_a_malformed_value_is_rejected_without_being_shown(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))) as caught:
        Settings.model_validate(settings)
    assert SECRET not in str(caught.value)


def test_an_unknown_variable_is_reported_with_the_closest_setting() -> None:
    names = ["BOOKSTORE_DATABASE_URI", "BOOKSTORE_X", "BOOKSTORE_PORT", "PATH", "bookstore_prot"]
    ours = ["BOOKSTORE_TERMINATION_LOG", "BOOKSTORE_RELOAD", "BOOKSTORE_OPERATOR_WORKERS"]
    assert unknown_variables([*names, *ours]) == [
        Unknown("BOOKSTORE_DATABASE_URI", "BOOKSTORE_DATABASE_URL"),
        Unknown("BOOKSTORE_X", None),
        Unknown("bookstore_prot", "BOOKSTORE_PORT"),
    ]


# How they are shown


def test_the_config_of_a_laptop(tmp_path: Path) -> None:
    ended = run_command("config", env=environment(None, tmp_path, port=9000), cwd=tmp_path)
    assert (ended.code, ended.errors) == (0, "")
    lines = [line.split(maxsplit=2) for line in ended.output.splitlines()]
    assert lines[0] == ["SETTING", "VALUE", "SOURCE"]
    assert [line[0] for line in lines[1:]] == [variable_of(name) for name in Settings.model_fields]
    assert ["BOOKSTORE_ENVIRONMENT", "development", "default"] in lines
    assert ["BOOKSTORE_PORT", "9000", "BOOKSTORE_PORT"] in lines
    assert ["BOOKSTORE_DATABASE_URL", "sqlite:///bookstore.db", "development.toml"] in lines
    assert "\x1b" not in ended.output


@pytest.mark.parametrize("output", ["table", "json"])
def test_invalid_settings_and_unknown_variables_are_shown(output: str, tmp_path: Path) -> None:
    secret = mount(tmp_path, "staff/token", SECRET)
    env = environment(
        DATABASE,
        tmp_path,
        environment="production",
        secrets_dir=tmp_path,
        port=SECRET,
        prot="1",
    )
    ended = run_command("config", "--format", output, env=env, cwd=tmp_path)
    assert ended.code == 1
    assert SECRET not in ended.output + ended.errors
    assert "Is BOOKSTORE_PORT meant?" in ended.errors
    assert "  BOOKSTORE_PORT: " in ended.errors
    assert f"  BOOKSTORE_STAFF_TOKEN (from {secret}): " in ended.errors
    if output == "json":
        unknown = json.loads(ended.output)["unknown"]
        assert unknown == [{"variable": "BOOKSTORE_PROT", "closest": "BOOKSTORE_PORT"}]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (
            "postgresql://u:p@h1:5432,h2:5433/db?sslmode=require",
            "postgresql://••••@h1:5432,h2:5433/db",
        ),
        ("postgresql://h/db?user=u&password=p", "postgresql://h/db"),
        ("sqlite:////data/books.db", "sqlite:////data/books.db"),
        # As when a password is not percent-encoded: what looks like the rest may belong to it.
        (f"postgresql://me@and:1/{SECRET}@h/db", "••••"),
        (f"postgresql://me@and:1/x?options={SECRET}@h/db", "••••"),
    ],
)
def test_a_uri_shows_where_it_leads_unless_a_secret_may_be_in_that(uri: str, shown: str) -> None:
    assert masked(Settings.model_validate({"database_url": uri}), "database_url") == shown


def test_a_value_can_not_write_on_the_terminal() -> None:
    rows = [Row("BOOKSTORE_IMAGE", "shop\x1b[2J\nBOOKSTORE_X  1  default", "BOOKSTORE_IMAGE")]
    (line,) = to_table(rows)[1:]
    assert line.isprintable()


# The contract


def documented_default(setting: str) -> str:
    """Write a default as the contract does: the model's, and what an environment has instead."""
    defaults = {e: tomllib.loads(file_of(e).read_text(encoding="utf-8")) for e in Environment}
    own = Settings.model_fields[setting].get_default()
    text = as_documented(own)
    others = dict.fromkeys(file[setting] for file in defaults.values() if setting in file)
    for other in others:
        places = " and ".join(e for e, file in defaults.items() if file.get(setting) == other)
        text += f"; {as_documented(other)} in {places}"
    return text


def as_documented(value: object) -> str:
    match value:
        case None | "" | ():
            return "not set"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
        case _:
            return f"`{value}`"


def test_the_contract_lists_every_setting() -> None:
    rows = [
        f"| `{variable_of(name)}` | {documented_default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    contract = (ROOT / "docs/reference/contract.md").read_text(encoding="utf-8")
    documented = [line for line in contract.splitlines() if line.startswith("| `BOOKSTORE_")]
    assert documented == rows, "\n".join(["the rows should be:", *rows])


def test_the_contract_says_where_secrets_are_mounted() -> None:
    contract = (ROOT / "docs/reference/contract.md").read_text(encoding="utf-8")
    for file in FILES.values():
        assert f"`{file}`" in contract
