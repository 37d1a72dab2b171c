"""Sends what is in the outbox: claim, make the mail and commit, send, record how it ended.

A process that is killed after sending has not recorded that, so the mail is sent again once the
lease is over: at least once, with the same Message-ID. One message at a time, so that a slow mail
server takes one thread and no more.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID

import structlog

from bookstore_api.db.sessions import Database, WriteSession
from bookstore_api.kit.smtp import MailNotSentError, send
from bookstore_api.settings import Settings, SettingsError
from bookstore_api.shop.mail import Compose, Mail, Occasion
from bookstore_api.shop.outbox import repository
from bookstore_api.shop.outbox.models import OutboxMessage
from bookstore_api.telemetry.metrics import count_mail
from bookstore_api.uris.smtp import SmtpServer, parse_smtp_uri

LEASE = timedelta(minutes=1)  # longer than a mail can take: kit.smtp has a limit for each step
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)

log = structlog.stdlib.get_logger(__name__)


class Sender:
    """Sends what is due, a message at a time."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        composers: Mapping[str, Compose],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._database = database
        self._composers = composers
        self._clock = clock
        self._usable = True

    async def send_next(self) -> bool:
        """Send the message that is due the longest; whether there was one.

        Raises DatabaseUnavailableError. A mail that can't be sent is no error: it is tried later.
        """
        server = await self._server()
        url = self._settings.public_url
        if server is None or url is None:
            return False
        # Committed before its mail is made: one that can't be made must not be in front for ever.
        message = await self._database.write(self._claim)
        if message is None:
            return False
        mail = await self._database.write(lambda session: self._compose(session, message, url))
        if mail is not None:
            await self._send(server, message, mail)
        return True

    async def _server(self) -> SmtpServer | None:
        """Read the mail server from its secret, as it is now; None without a usable one."""
        try:
            uri = await asyncio.to_thread(self._settings.secret_now, "smtp_url")
            server = parse_smtp_uri(uri) if uri else None
        except (SettingsError, ValueError):
            if self._usable:
                log.warning("the mail server's secret can't be used")
            self._usable = False
            return None
        self._usable = True
        return server

    async def _claim(self, session: WriteSession) -> OutboxMessage | None:
        """Claim a message of a kind that this code knows; newer code sends the others."""
        return await repository.claim(session, [*self._composers], self._clock(), LEASE)

    async def _compose(
        self, session: WriteSession, message: OutboxMessage, url: str
    ) -> Mail | None:
        """Make the mail of a message; end the message where there is no reason for one any more."""
        now = self._clock()
        mail, state = None, "expired"
        if now < message.expires_at:
            occasion = Occasion(message.payload, message.expires_at, url)
            mail, state = await self._composers[message.kind](session, occasion), "obsolete"
        if mail is None:
            await repository.end(session, message.id, state, now)
            _report(message.kind, state)
        return mail

    async def _send(self, server: SmtpServer, message: OutboxMessage, mail: Mail) -> None:
        email = _email(message.id, self._settings.mail_from, mail)
        error = None
        try:
            await asyncio.to_thread(send, server, email)
        except MailNotSentError as failure:
            error = failure
        _report(message.kind, "sent" if error is None else error.code)
        await self._database.write(lambda session: self._record(session, message, error))

    async def _record(
        self, session: WriteSession, message: OutboxMessage, error: MailNotSentError | None
    ) -> None:
        now = self._clock()
        if error is None:
            await repository.end(session, message.id, "sent", now)
        elif error.final:
            await repository.end(session, message.id, "refused", now, error=error.code)
        else:
            due_at = now + pause_after(message.attempts)
            await repository.postpone(session, message.id, due_at, error.code)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts that failed."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(max(attempts - 1, 0), 10)
    return min(doubled, LONGEST_PAUSE)


def _email(id_: UUID, mail_from: str, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = mail_from
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Message-ID"] = f"<{id_.hex}@{mail_from.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _report(kind: str, outcome: str) -> None:
    count_mail(kind, outcome)
    write_line = log.info if outcome in {"sent", "obsolete"} else log.warning
    write_line("mail", kind=kind, outcome=outcome)
