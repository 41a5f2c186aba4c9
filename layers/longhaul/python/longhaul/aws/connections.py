"""Connections to one AWS service, kept open, by the standard library's HTTP client.

urllib3 under botocore's session takes three times the processor time for the same. Errors are botocore's own, so
whoever catches those of boto3's clients catches these.
"""

import select
import ssl
import weakref
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from longhaul import tls

KEPT = 10  # connections of threads that call at once, as boto3 keeps


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
        self._name, self._port = parts.hostname or "", parts.port
        self._connect_seconds, self._read_seconds = timeouts
        self._idle: list[HTTPConnection] = []
        weakref.finalize(self, _close_all, self._idle)

    def post(self, headers: Mapping[str, str], body: bytes) -> Response:
        """Send the body and return the answer. Raises botocore's connection errors; nothing is tried again."""
        opened = self._taken() or self._opened()
        try:
            response = _exchange(opened, self.path, headers, body)
        except BaseException as error:
            opened.close()
            if isinstance(error, OSError | HTTPException):
                self._close_idle()  # what was idle as long is as lost: the next try must not meet it
                self._raise_lost(error)
            raise
        if opened.sock and len(self._idle) < KEPT:
            self._idle.append(opened)
        else:
            opened.close()
        return response

    def _taken(self) -> HTTPConnection | None:
        """An idle connection that the other side has not closed meanwhile: nothing else would come from there."""
        while True:
            try:
                opened = self._idle.pop()
            except IndexError:
                return None
            quiet = select.poll()
            quiet.register(opened.sock, select.POLLIN)
            if not quiet.poll(0):
                return opened
            opened.close()

    def _opened(self) -> HTTPConnection:
        try:
            opened = (
                HTTPSConnection(self._name, self._port, timeout=self._connect_seconds, context=self._context())
                if self._secure
                else HTTPConnection(self._name, self._port, timeout=self._connect_seconds)
            )
            opened.connect()
        except OSError as error:
            self._raise_unreachable(error)
        opened.sock.settimeout(self._read_seconds)
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


def _exchange(opened: HTTPConnection, path: str, headers: Mapping[str, str], body: bytes) -> Response:
    opened.request("POST", path, body, dict(headers))
    answer = opened.getresponse()
    if answer.length is None and not answer.chunked:
        raise HTTPException("an answer without its length may be half of one")
    fields = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status, fields, answer.read())


def _close_all(connections: list[HTTPConnection]) -> None:
    for opened in connections:
        opened.close()
