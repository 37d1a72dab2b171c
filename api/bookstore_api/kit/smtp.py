"""Sends mails by a server. Blocking: call it in a thread. Each wait in it has a limit."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from bookstore_api.uris.smtp import SmtpServer, Tls

# Of each step of the exchange, of which there are about ten.
STEP_SECONDS = 4.0


class MailNotSentError(Exception):
    """A mail could not be sent; `code` says why, `final` that it never will be."""

    def __init__(self, code: str, *, final: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.final = final


def send(server: SmtpServer, message: EmailMessage) -> None:
    """Send a mail; raises MailNotSentError."""
    with _connected(server) as connection:
        connection.send_message(message)


def check(server: SmtpServer) -> None:
    """Connect and sign in as for a mail; raises MailNotSentError."""
    with _connected(server) as connection:
        connection.noop()


@contextmanager
def _connected(server: SmtpServer) -> Iterator[smtplib.SMTP]:
    try:
        with _connect(server) as connection:
            if server.tls is Tls.STARTTLS:
                connection.starttls(context=ssl.create_default_context())
            if server.username and server.password:
                connection.login(server.username, server.password)
            yield connection
    except smtplib.SMTPRecipientsRefused as error:
        final = all(500 <= code < 600 for code, _ in error.recipients.values())
        raise MailNotSentError("recipient-refused", final=final) from None
    except smtplib.SMTPAuthenticationError:
        raise MailNotSentError("authentication-failed") from None
    except smtplib.SMTPNotSupportedError:
        raise MailNotSentError("not-supported") from None
    except smtplib.SMTPResponseException as error:
        final = isinstance(error, smtplib.SMTPDataError) and 500 <= error.smtp_code < 600
        raise MailNotSentError("refused", final=final) from None
    except ssl.SSLError:
        raise MailNotSentError("tls-failed") from None
    except TimeoutError:
        raise MailNotSentError("timeout") from None
    except (smtplib.SMTPException, OSError):
        raise MailNotSentError("unreachable") from None


def _connect(server: SmtpServer) -> smtplib.SMTP:
    if server.tls is Tls.FROM_START:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=STEP_SECONDS, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=STEP_SECONDS)
