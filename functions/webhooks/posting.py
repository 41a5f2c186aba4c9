"""One POST to a receiver, within a time that nothing it does can make longer.

The connection goes to the address that was checked (`longhaul.addresses`); the certificate and the Host header are
those of the name. No proxy is used and no redirect followed. The status line decides; of the answer a little is kept.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

from longhaul import addresses
from longhaul.addresses import AddressRefused, Resolve, Url
from webhooks.model import MAX_ANSWER, MAX_ERROR, Outcome, retry_after

CONNECT_SECONDS, TRY_SECONDS = 5.0, 15.0
LATE = f"no answer within {TRY_SECONDS:g} s"

type Failure = OSError | ValueError | http.client.HTTPException


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, resolve: Resolve | None = None, seconds: float = TRY_SECONDS
) -> Outcome:
    """What came of it. Never raises for what a receiver, its DNS or the way to it does.

    DNS has time-outs of its own: who calls this bounds it once more.
    """
    began = time.monotonic()
    try:
        target = addresses.parsed(url)
        outcome = _post(target, addresses.resolved(target, resolve), body, headers, began + seconds)
    except (OSError, ValueError, http.client.HTTPException) as error:  # the second also of a name that is no IDNA
        outcome = Outcome(error=_reason(error)[:MAX_ERROR])
    return Outcome(**vars(outcome) | {"latency_ms": round((time.monotonic() - began) * 1000)})


def _reason(error: Failure) -> str:
    match error:
        case AddressRefused():
            return f"the address was refused: {error}"
        case TimeoutError():
            return LATE
        case ssl.SSLError():
            return f"TLS failed: {getattr(error, 'verify_message', '') or error.reason or error}"
        case OSError():
            return f"no connection: {error.strerror or type(error).__name__}"
    return f"no HTTP answer: {type(error).__name__}"


def _post(url: Url, address: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
    connection = http.client.HTTPConnection(url.host, url.port)
    sent = {"Host": url.authority, **headers, "Content-Length": str(len(body)), "Connection": "close"}
    with _connected(url, address, deadline) as (opened, is_late):
        connection.sock = opened
        try:
            connection.putrequest("POST", url.target, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
        except (OSError, ValueError, http.client.HTTPException) as error:
            if is_late():  # its socket was shut under it
                raise TimeoutError from error
            raise
        if is_late():  # what came of the answer's head has no end
            raise TimeoutError
        asked = retry_after(response.status, response.headers.get("Retry-After"), datetime.now(UTC))
        wrong = None if 200 <= response.status < 300 else f"the answer's status is {response.status}"
        return Outcome(response.status, wrong, _beginning(response), retry_after=asked)


@contextmanager
def _connected(url: Url, address: str, deadline: float) -> Iterator[tuple[socket.socket, Callable[[], bool]]]:
    """The connection, which is shut at the deadline, and whether that has happened.

    A time-out of the socket bounds one read only, and a receiver that sends a byte now and then has no end of them.
    """
    left = deadline - time.monotonic()
    opened = socket.create_connection((address, url.port), timeout=max(0.01, min(CONNECT_SECONDS, left)))
    opened.settimeout(max(0.01, left))
    if url.scheme == "https":
        opened = _context().wrap_socket(opened, server_hostname=url.host, do_handshake_on_connect=False)
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(opened, socket.SHUT_RDWR)  # not TLS's own: another thread reads

    watch = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    watch.daemon = True
    watch.start()
    try:
        if isinstance(opened, ssl.SSLSocket):
            _shake_hands(opened, late)
        yield opened, late.is_set
    finally:
        watch.cancel()
        opened.close()


def _shake_hands(opened: ssl.SSLSocket, late: threading.Event) -> None:
    try:
        opened.do_handshake()
    except (OSError, ValueError) as error:
        if late.is_set():
            raise TimeoutError from error
        raise


@cache
def _context() -> ssl.SSLContext:
    """Made once: loading the authorities takes longer than a handshake."""
    return ssl.create_default_context()


def _beginning(response: http.client.HTTPResponse) -> str:
    """The beginning of the answer's body; less when it breaks off or takes too long, as its status has come."""
    kept = b""
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        while len(kept) < MAX_ANSWER and (chunk := response.read1(MAX_ANSWER - len(kept))):
            kept += chunk
    return kept.decode("utf-8", "replace")[:MAX_ANSWER]
