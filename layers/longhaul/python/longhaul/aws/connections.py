"""Connections to one AWS service, kept open. What comes back is parsed by llhttp, the parser of Node.js (httptools).

The standard library's client takes twice the processor time for a call, most of it for the response's headers, which
its e-mail parser reads; urllib3 under botocore's session takes more than three times that. Errors are botocore's own,
so whoever catches those of boto3's clients catches these.
"""

import select
import socket
import ssl
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from httptools.parser.errors import HttpParserError, HttpParserUpgrade
from httptools.parser.parser import HttpResponseParser

from longhaul import tls

KEPT = 10  # connections of threads that call at once, as boto3 keeps
READ_BYTES = 64 * 1024
PORTS = {"http": 80, "https": 443}


class Response(NamedTuple):
    """The headers' names are in lower case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Connections:
    """Those to the host of `url` (`http://127.0.0.1:3001`, `https://sqs.eu-west-1.amazonaws.com`), used one at a time.

    `timeouts` are the seconds to connect and to wait for the answer.
    """

    def __init__(self, url: str, timeouts: tuple[float, float]) -> None:
        parts = urlsplit(url)
        self.url, self.host, self.path = url, parts.netloc.rpartition("@")[2], parts.path or "/"
        self._secure = parts.scheme == "https"
        self._name, self._port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 80)
        self._connect_seconds, self._read_seconds = timeouts
        self._idle: list[socket.socket] = []
        weakref.finalize(self, _close_all, self._idle)

    def post(self, headers: Mapping[str, str], body: bytes) -> Response:
        """Send the body and return the answer. Raises botocore's connection errors; nothing is tried again."""
        opened = self._taken() or self._opened()
        try:
            response, kept = _exchange(opened, _written(self.path, headers, body))
        except BaseException as error:
            opened.close()
            if isinstance(error, OSError | HttpParserError | HttpParserUpgrade):
                self._close_idle()  # what was idle as long is as lost: the next try must not meet it
                self._raise_lost(error)
            raise
        if kept and len(self._idle) < KEPT:
            self._idle.append(opened)
        else:
            opened.close()
        return response

    def _taken(self) -> socket.socket | None:
        """An idle connection that the other side has not closed meanwhile: nothing else would come from there."""
        while True:
            try:
                opened = self._idle.pop()
            except IndexError:
                return None
            quiet = select.poll()
            quiet.register(opened, select.POLLIN)
            if not quiet.poll(0):
                return opened
            opened.close()

    def _opened(self) -> socket.socket:
        try:
            context = self._context() if self._secure else None
            opened = socket.create_connection((self._name, self._port), self._connect_seconds)
            try:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if context:
                    opened = context.wrap_socket(opened, server_hostname=self._name)
            except BaseException:
                opened.close()
                raise
        except OSError as error:
            self._raise_unreachable(error)
        opened.settimeout(self._read_seconds)
        return opened

    def _context(self) -> ssl.SSLContext:
        """Raises SSLError when the authorities cannot be read."""
        try:
            return tls.context_of_aws()
        except OSError as error:
            raise ssl.SSLError(f"the certificates of the authorities cannot be read: {error}") from error

    def _close_idle(self) -> None:
        with suppress(IndexError):  # as soon as none is left, whoever has taken the last one
            while True:
                self._idle.pop().close()

    def _raise_unreachable(self, error: OSError) -> NoReturn:
        from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, SSLError

        if isinstance(error, ssl.SSLError):
            raise SSLError(endpoint_url=self.url, error=error) from error
        kind = ConnectTimeoutError if isinstance(error, TimeoutError) else EndpointConnectionError
        raise kind(endpoint_url=self.url, error=error) from error

    def _raise_lost(self, error: BaseException) -> NoReturn:
        from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

        kind = ReadTimeoutError if isinstance(error, TimeoutError) else ConnectionClosedError
        raise kind(endpoint_url=self.url, error=error) from error


class _Answer:
    """What the parser finds of one answer."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.status, self.whole, self.kept = 0, False, False
        self.parser = HttpResponseParser(self)

    def on_message_begin(self) -> None:
        """Raises ValueError, which the parser makes an HttpParserError, for more than one answer to a request."""
        if self.whole:
            raise ValueError("more came after the answer")
        self.headers.clear()  # those of a word in between

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.whole = self.status >= 200  # 1xx is a word in between
        self.kept = self.parser.should_keep_alive()  # it forgets that behind the message


def _exchange(opened: socket.socket, request: bytes) -> tuple[Response, bool]:
    """The answer, and whether the connection may be used again. Raises OSError and the parser's errors.

    An answer that says nothing of its length ends with the connection, and may be half of one: it is lost.
    """
    opened.sendall(request)
    answer = _Answer()
    try:
        while not answer.whole:
            received = opened.recv(READ_BYTES)
            if not received:
                raise ConnectionResetError("the connection was closed before the answer was whole")
            answer.parser.feed_data(received)
    finally:
        del answer.parser  # it refers to the answer: both would stay until garbage is looked for, megabytes later
    return Response(answer.status, answer.headers, b"".join(answer.parts)), answer.kept


def _written(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request, head and body together: in two packets the second would wait for the first one's acknowledgement.

    Raises ValueError for a header with a line break, which would be two.
    """
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if {lines.count("\r"), lines.count("\n")} != {len(headers)}:
        raise ValueError("a header of a request to AWS has a line break")
    return f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def _close_all(connections: list[socket.socket]) -> None:
    for opened in connections:
        opened.close()
