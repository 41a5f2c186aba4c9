"""Connections to one AWS service, kept open: HTTP/1.1 as far as a POST with a body in memory needs it.

A request leaves in one packet, and its answer is read from a buffer. urllib3 under botocore's session takes ten times
the processor time for the same. Errors are botocore's own, so whoever catches those of boto3's clients catches these.
"""

import select
import socket
import ssl
import weakref
from collections.abc import Mapping
from contextlib import suppress
from io import BufferedReader
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from longhaul import tls

KEPT = 10  # connections of threads that call at once, as boto3 keeps
MAX_LINE = 65_536  # bytes of a header
MAX_HEADERS = 100


class Response(NamedTuple):
    """The headers' names are in lower case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Lost(Exception):
    """The other side ended the connection, or speaks something else than HTTP."""


class Connections:
    """Those to the host of `url` (`http://127.0.0.1:3001`, `https://sqs.eu-west-1.amazonaws.com`), used one at a time.

    `timeouts` are the seconds to connect and to wait for the answer.
    """

    def __init__(self, url: str, timeouts: tuple[float, float]) -> None:
        parts = urlsplit(url)
        self.url, self.host, self.path = url, parts.netloc.rpartition("@")[2], parts.path or "/"
        self._secure = parts.scheme == "https"
        self._name, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self._connect_seconds, self._read_seconds = timeouts
        self._idle: list[_Connection] = []
        weakref.finalize(self, _close_all, self._idle)

    def post(self, headers: Mapping[str, str], body: bytes) -> Response:
        """Send the body and return the answer. Raises botocore's connection errors; nothing is tried again."""
        opened = self._taken() or self._opened()
        try:
            response, reusable = opened.exchange(self.path, headers, body)
        except BaseException as error:
            opened.close()
            if isinstance(error, OSError | ValueError | Lost):
                self._raise_lost(error)
            raise
        if reusable and len(self._idle) < KEPT:
            self._idle.append(opened)
        else:
            opened.close()
        return response

    def _taken(self) -> "_Connection | None":
        """An idle connection that the other side has not closed meanwhile."""
        while True:
            try:
                opened = self._idle.pop()
            except IndexError:
                return None
            if opened.is_quiet():
                return opened
            opened.close()

    def _opened(self) -> "_Connection":
        from_where = (self._name, self._port)
        try:
            sock = socket.create_connection(from_where, self._connect_seconds)
            # What is larger than a packet must not wait until its first one is acknowledged.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                sock = tls.context_of_aws().wrap_socket(sock, server_hostname=self._name)
            sock.settimeout(self._read_seconds)
        except OSError as error:
            self._raise_unreachable(error)
        return _Connection(sock)

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


class _Connection:
    """One connection, with what was read ahead of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self._file = sock, sock.makefile("rb")
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: what would is the end."""
        return not self._poll.poll(0)

    def exchange(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Response, bool]:
        """The answer to a POST, and whether another request may follow."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode("latin-1") + body)
        version, status, fields = _head(self._file)
        while status == 100:  # "go on": the answer is the next one
            version, status, fields = _head(self._file)
        length, chunked = fields.get("content-length"), "chunked" in fields.get("transfer-encoding", "").lower()
        if chunked:
            content = _chunks(self._file)
        elif length is not None:
            content = _exactly(self._file, int(length))
        else:
            content = self._file.read()
        goes_on = version == "HTTP/1.1" and fields.get("connection", "").lower() != "close"
        return Response(status, fields, content), goes_on and (chunked or length is not None)

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()
            self._socket.close()


def _close_all(connections: "list[_Connection]") -> None:
    for opened in connections:
        opened.close()


def _head(file: BufferedReader) -> tuple[str, int, dict[str, str]]:
    version, _, rest = _line(file).partition(" ")
    if not version.startswith("HTTP/1."):
        raise Lost(f"not HTTP: {version[:20]!r}")
    fields: dict[str, str] = {}
    while line := _line(file):
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
        if len(fields) > MAX_HEADERS:
            raise Lost("too many headers")
    return version, int(rest[:3]), fields


def _line(file: BufferedReader) -> str:
    line = file.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        raise Lost("the connection ended within the head of an answer")
    return line.rstrip(b"\r\n").decode("latin-1")


def _exactly(file: BufferedReader, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise Lost("the connection ended within an answer")
    return content


def _chunks(file: BufferedReader) -> bytes:
    parts = []
    while size := int(_line(file).partition(";")[0], 16):
        parts.append(_exactly(file, size))
        _line(file)
    while _line(file):
        pass  # fields behind the last chunk
    return b"".join(parts)
