"""What an environment refuses of settings that are well formed: defaults that are no secrets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from bookstore_api.settings.model import Settings, variable_of
from bookstore_api.settings.mounted import FILES
from bookstore_api.settings.values import ANY_ORIGIN, Environment
from bookstore_api.uris.database import SQLITE_SCHEMES

TOKEN_LENGTH = 32

# The settings that are judged where only the database is used.
OF_THE_DATABASE = frozenset({"database_url", "database_direct_url"})

# What examples, images and tutorials use. In lower case; so is what is compared with them.
WELL_KNOWN = frozenset(
    {
        *("admin", "administrator", "bookstore", "books", "change-me", "change_me", "changeit"),
        *("changeme", "database", "default", "demo", "dev", "development", "docker", "example"),
        *("guest", "letmein", "master", "mypassword", "mysecretpassword", "none", "null"),
        *("p@ssw0rd", "pass", "passw0rd", "password", "password1", "password123", "pg", "postgres"),
        *("postgresql", "pw", "qwerty", "redis", "root", "root123", "sa", "secret", "secure"),
        *(
            "shop",
            "staff",
            "test",
            "test123",
            "testing",
            "token",
            "user",
            "welcome",
            "your-password",
        ),
        *("yourpassword", "your_password", "1", "12", "123", "1234", "12345", "123456", "1234567"),
        *("12345678", "123456789", "1234567890", "0", "0000", "a", "x", "xxx"),
        *("0123456789abcdef", "0123456789abcdefghijklmnopqrstuv", "abcdefghijklmnopqrstuvwxyz"),
        *("abcdefghijklmnopqrstuvwxyz012345", "abcdefghijklmnopqrstuvwxyz123456"),
        *("abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz1234567890"),
    }
)


@dataclass(frozen=True)
class Violation:
    """A setting that is well formed and yet refused, why, and what to do. It holds no value."""

    setting: str
    problem: str
    remedy: str

    @property
    def variable(self) -> str:
        """The environment variable of the setting."""
        return variable_of(self.setting)


def violations(settings: Settings) -> list[Violation]:
    """Return all that these settings' environment refuses of them; development refuses nothing."""
    if settings.environment is Environment.DEVELOPMENT:
        return []
    return [violation for rule in RULES for violation in rule(settings)]


def is_well_known(secret: str) -> bool:
    """Whether a secret is none: from a list of usual ones, or a short piece again and again."""
    plain = secret.lower()
    return plain in WELL_KNOWN or _is_repeated(plain)


def _is_repeated(text: str) -> bool:
    """Whether a text is one piece at least twice, the last perhaps cut short."""
    return any(text[size:] == text[:-size] for size in range(1, len(text) // 2 + 1))


def _database(settings: Settings) -> Iterator[Violation]:
    if settings.database_url is None:
        yield Violation(
            "database_url",
            "No database is set.",
            f"Mount a secret with the file {_file(settings, 'database_url')}, or set the variable, "
            f"to {_EXAMPLE}.",
        )
    for setting in ("database_url", "database_direct_url"):
        secret: SecretStr | None = getattr(settings, setting)
        if secret is not None:
            yield from _database_uri(setting, secret.get_secret_value())


def _database_uri(setting: str, uri: str) -> Iterator[Violation]:
    if urlsplit(uri).scheme in SQLITE_SCHEMES:
        yield Violation(
            setting,
            "SQLite is for development only.",
            f"Name a PostgreSQL server: {_EXAMPLE}.",
        )
    elif _has_well_known_password(uri):
        yield Violation(
            setting,
            "The password in it is a well-known one.",
            "Give the database's user another, such as `openssl rand -hex 24` prints.",
        )


def _has_well_known_password(uri: str) -> bool:
    """Whether a password in the URI is usual, or the name of its user; none at all is not."""
    parts = urlsplit(uri)
    query = parse_qs(parts.query)
    users = {unquote(parts.username or ""), *query.get("user", [])}
    passwords = {unquote(parts.password or ""), *query.get("password", [])} - {""}
    return bool(passwords & users) or any(map(is_well_known, passwords))


def _staff_token(settings: Settings) -> Iterator[Violation]:
    if settings.staff_token is None:
        yield Violation(
            "staff_token",
            "No staff token is set, and nobody may write without one.",
            f"Mount a secret with the file {_file(settings, 'staff_token')}, or set the variable, "
            "to what `openssl rand -hex 32` prints.",
        )
        return
    token = settings.staff_token.get_secret_value()
    if len(token) < TOKEN_LENGTH:
        problem = f"It has fewer than {TOKEN_LENGTH} characters."
    elif is_well_known(token):
        problem = "It is a well-known one."
    else:
        return
    yield Violation("staff_token", problem, "Take what `openssl rand -hex 32` prints.")


def _debug(settings: Settings) -> Iterator[Violation]:
    if settings.debug and settings.environment is Environment.PRODUCTION:
        yield Violation("debug", "Debug mode may show the values of variables.", "Set it to false.")


def _cors(settings: Settings) -> Iterator[Violation]:
    if ANY_ORIGIN in settings.cors_origins:
        yield Violation(
            "cors_origins",
            f"{ANY_ORIGIN} lets the pages of any site in.",
            "List the origins that may call the API, such as https://shop.example.com.",
        )


def _file(settings: Settings, setting: str) -> str:
    return str(settings.secrets_dir / FILES[setting])


_EXAMPLE = "a URI like postgresql://user:password@host:5432/bookstore"
RULES: tuple[Callable[[Settings], Iterator[Violation]], ...] = (
    _debug,
    _database,
    _staff_token,
    _cors,
)
