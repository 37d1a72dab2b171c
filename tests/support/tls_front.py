"""TLS before a server that has none: what a server says of certificates, by real OpenSSL.

The PostgreSQL that tests start from a wheel is built without TLS. Threads, as asyncio drops the
alert that tells a client why its certificate is rejected.
"""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.certificates import Certificate

# https://www.postgresql.org/docs/current/protocol-message-formats.html
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
SECONDS = 20
CHUNK_BYTES = 65536


class TlsFront:
    """Answers PostgreSQL's request for TLS, and passes on what comes through it."""

    def __init__(self, target_port: int, context: ssl.SSLContext, *, at_once: bool = False) -> None:
        """Listen on a free port; bytes are passed on to another of this machine.

        With `at_once`, all is TLS from the first byte, as with Redis.
        """
        self._target_port, self._context, self._at_once = target_port, context, at_once
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening. Connections end with either side of them."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.settimeout(SECONDS)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            asks = client.recv(len(_SSL_REQUEST), socket.MSG_PEEK) == _SSL_REQUEST
            if asks or self._at_once:
                if asks:
                    client.recv(len(_SSL_REQUEST))
                    client.sendall(b"S")
                with self._context.wrap_socket(
                    client, server_side=True, do_handshake_on_connect=False
                ) as encrypted:
                    if _shake_hands(encrypted):
                        self._pass_on(encrypted)
            else:
                self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target_port)) as server:
            ways = {client: server, server: client}
            while True:
                for source in select.select(list(ways), [], [])[0]:
                    if not (chunk := source.recv(CHUNK_BYTES)):
                        return
                    ways[source].sendall(chunk)


def _shake_hands(client: ssl.SSLSocket) -> bool:
    """Whether the handshake succeeds; where not, the client gets to read the alert that says why.

    By TLS 1.3 the client may already send when its certificate is rejected. To close a socket with
    something unread resets the connection, and a reset overtakes the alert.
    """
    try:
        client.do_handshake()
    except ssl.SSLError:
        client.shutdown(socket.SHUT_WR)
        while client.recv(CHUNK_BYTES):
            pass
        return False
    return True


@contextmanager
def running_tls_front(
    target_port: int,
    certificate: Certificate,
    *,
    client_authority: Path | None = None,
    at_once: bool = False,
) -> Iterator[TlsFront]:
    """Start a front to a port of this machine.

    With `client_authority`, clients must have a certificate that this authority issued.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_authority)
    context.load_cert_chain(certificate.file, certificate.key)
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    front = TlsFront(target_port, context, at_once=at_once)
    try:
        yield front
    finally:
        front.close()
