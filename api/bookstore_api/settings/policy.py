"""What an environment rejects of settings that are well formed: defaults that are no secrets.

A rule yields the name of a setting and the problem, which says what to do and holds no value.
"""

from collections.abc import Iterator

from pydantic import SecretStr

from bookstore_api.settings.model import Settings
from bookstore_api.settings.sources import FILES
from bookstore_api.settings.values import ANY_ORIGIN, Environment
from bookstore_api.uris.database import PostgresServer, SqliteFile, parse_database_uri

Violations = Iterator[tuple[str, str]]

TOKEN_LENGTH = 32

# The settings to enforce where only the database is used.
OF_THE_DATABASE = ("database_url", "database_direct_url")

# What examples, images and tutorials use. In lower case; so is what is compared with them.
WELL_KNOWN = frozenset(
    """
    0 0000 0123456789abcdef 0123456789abcdefghijklmnopqrstuv 1 12 123 1234 12345 123456 1234567
    12345678 123456789 1234567890 a abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz012345
    abcdefghijklmnopqrstuvwxyz0123456789 abcdefghijklmnopqrstuvwxyz123456
    abcdefghijklmnopqrstuvwxyz1234567890 admin administrator books bookstore change-me change_me
    changeit changeme database default demo dev development docker example guest letmein master
    mypassword mysecretpassword none null p@ssw0rd pass passw0rd password password1 password123
    pg postgres postgresql pw qwerty redis root root123 sa secret secure shop staff test test123
    testing token user welcome x xxx your-password your_password yourpassword
    """.split()  # noqa: SIM905 - as a list it would be a line a word
)


def violations(settings: Settings) -> list[tuple[str, str]]:
    """Return what the environment of these settings rejects; development rejects nothing."""
    if settings.environment is Environment.DEVELOPMENT:
        return []
    return [violation for rule in RULES for violation in rule(settings)]


def is_well_known(secret: str) -> bool:
    """Whether a secret is a usual one, or a piece repeated, the last time perhaps in part."""
    text = secret.lower()
    repeated = any(text[size:] == text[:-size] for size in range(1, len(text) // 2 + 1))
    return repeated or text in WELL_KNOWN


def _database(settings: Settings) -> Violations:
    if settings.database_url is None:
        mount = _mount_or_set(settings, "database_url")
        yield "database_url", f"No database is set. {mount} {_EXAMPLE}."
    for setting in OF_THE_DATABASE:
        secret: SecretStr | None = getattr(settings, setting)
        address = parse_database_uri(secret.get_secret_value()) if secret else None
        if isinstance(address, SqliteFile):
            yield setting, f"SQLite is for development only. Name a PostgreSQL server: {_EXAMPLE}."
        elif address is not None and _has_well_known_password(address):
            problem = "The password in it is a well-known one. Give the database's user another"
            yield setting, f"{problem}, such as `openssl rand -hex 24` prints."


def _has_well_known_password(server: PostgresServer) -> bool:
    """Whether its password is usual, or the name of its user; none at all is not."""
    password = server.arguments["password"] or ""
    return password != "" and (password == server.arguments["user"] or is_well_known(password))


def _staff_token(settings: Settings) -> Violations:
    token = settings.staff_token.get_secret_value() if settings.staff_token else None
    remedy = "Take what `openssl rand -hex 32` prints."
    if token is None:
        mount = _mount_or_set(settings, "staff_token")
        problem = "No staff token is set, and nobody may write without one."
        remedy = f"{mount} what `openssl rand -hex 32` prints."
    elif len(token) < TOKEN_LENGTH:
        problem = f"It has fewer than {TOKEN_LENGTH} characters."
    elif is_well_known(token):
        problem = "It is a well-known one."
    else:
        return
    yield "staff_token", f"{problem} {remedy}"


def _debug(settings: Settings) -> Violations:
    if settings.debug and settings.environment is Environment.PRODUCTION:
        yield "debug", "Debug mode may show the values of variables. Set it to false."


def _cors(settings: Settings) -> Violations:
    if ANY_ORIGIN in settings.cors_origins:
        problem = f"{ANY_ORIGIN} lets the pages of any site in. List the origins that may call"
        yield "cors_origins", f"{problem} the API, such as https://shop.example.com."


def _payments(settings: Settings) -> Violations:
    if settings.payment_provider == "test" and settings.environment is Environment.PRODUCTION:
        problem = "The test provider takes no money, so everything is free."
        yield "payment_provider", f"{problem} Set it to none."


def _mount_or_set(settings: Settings, setting: str) -> str:
    file = settings.secrets_dir / FILES[setting]
    return f"Mount a secret with the file {file}, or set the variable, to"


_EXAMPLE = "a URI like postgresql://user:password@host:5432/bookstore"
RULES = (_debug, _database, _staff_token, _cors, _payments)
