"""Downloading a file that a provider has made: from which hosts, at which address, and what the answer may be.

    with download(link, Wanted("recording", hosts, ("audio",))) as file:
        client.upload_fileobj(file, bucket, key)

Redirects are followed by hand, and each hop is checked like the first: its host must be on the allow-list. A host is
resolved once, its addresses must be public, and the connection goes to one of them, so a name that is changed a moment
later gains nothing. An address that the allow-list itself names, as `127.0.0.1:3002` on one machine, may be private.
IPv6 is not used.

A provider's link is signed, and anyone who has it may use it. So it is neither logged nor part of an error.
"""

import ipaddress
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

import urllib3
from urllib3.util import Url, parse_url

from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable

MAX_REDIRECTS = 3
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0
PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Wanted:
    """What is downloaded: `what` it is called in errors, the hosts that it may come from (`host`, `host:port` or
    `*.suffix`), the first halves of its media types (`audio`), its bytes and the seconds that it may take at most."""

    what: str
    hosts: Sequence[str]
    types: tuple[str, ...]
    max_bytes: int = 100 * 1024 * 1024
    max_seconds: float = 60.0


class Download:
    """A file on its way here, as `upload_fileobj` reads it. `count` is the number of bytes that were read.

    Reading raises BadAnswer for too many bytes and ProviderUnavailable when it takes too long.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, wanted: Wanted, deadline: float) -> None:
        self._response = response
        self._wanted = wanted
        self._deadline = deadline
        self.content_type = _content_type(response, wanted)
        self.count = 0

    def read(self, amount: int = -1) -> bytes:
        """So many bytes, fewer only at the end: a part of an upload has its least size."""
        piece = bytearray()
        while amount < 0 or len(piece) < amount:
            chunk = self._response.read1(CHUNK_BYTES if amount < 0 else min(CHUNK_BYTES, amount - len(piece)))
            if not chunk:
                break
            piece += chunk
            self._add(len(chunk))
        return bytes(piece)

    def _add(self, more: int) -> None:
        self.count += more
        what = self._wanted.what
        if self.count > self._wanted.max_bytes:
            raise BadAnswer(f"the {what} has more than {self._wanted.max_bytes} bytes")
        if time.monotonic() > self._deadline:
            raise ProviderUnavailable(f"the {what} did not arrive in {self._wanted.max_seconds:g} s")


@contextmanager
def download(link: str, wanted: Wanted) -> Iterator[Download]:
    """The file behind the link. Nothing of it is read yet.

    Raises ProviderUnavailable or ProviderThrottled when it may work later, BadAnswer for what must not be downloaded: a
    host that is not allowed, another type, too many bytes, a link that has expired.
    """
    deadline = time.monotonic() + wanted.max_seconds
    with _followed(link, wanted) as response:
        file = Download(response, wanted, deadline)
        try:
            yield file
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"the {wanted.what} broke off: {type(error).__name__}") from error


@contextmanager
def _followed(link: str, wanted: Wanted) -> Iterator[urllib3.BaseHTTPResponse]:
    """The response to the link, or to the last one that it redirects to."""
    base = ""
    for _ in range(MAX_REDIRECTS + 1):
        url = _parsed(base, link, wanted)
        with _pool(url, wanted) as pool:
            response = _get(pool, url)
            try:
                if response.status not in REDIRECTS:
                    yield response
                    return
                base, link = url.url, response.headers.get("Location", "")
            finally:
                response.close()
    raise BadAnswer(f"the {wanted.what} is redirected more than {MAX_REDIRECTS} times")


def _parsed(base: str, link: str, wanted: Wanted) -> Url:
    try:
        url = parse_url(urljoin(base, link))
    except ValueError:
        raise BadAnswer(f"the {wanted.what}'s link is no URL") from None
    if url.scheme not in PORTS or not url.host or url.auth:
        raise BadAnswer(f"the {wanted.what}'s link is no http or https URL of a host")
    if not _is_allowed(url.host, url, wanted):
        raise BadAnswer(f"{wanted.what}s are not fetched from {url.netloc}")
    return url


def _is_allowed(name: str, url: Url, wanted: Wanted) -> bool:
    """Whether the allow-list has this name at the port of the URL."""
    default = str(PORTS[url.scheme or ""])
    for entry in wanted.hosts:
        host, _, port = entry.partition(":")
        if (port or default) == str(url.port or default) and (
            name == host or (host.startswith("*.") and name.endswith(host[1:]))
        ):
            return True
    return False


def _address(url: Url, wanted: Wanted) -> str:
    try:
        found = socket.getaddrinfo(url.host, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ProviderUnavailable(f"{url.host} has no address") from error
    addresses = [str(info[4][0]) for info in found]
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        if not (parsed.is_global and not parsed.is_multicast) and not _is_allowed(address, url, wanted):
            raise BadAnswer(f"{url.host} is not a public host")
    return addresses[0]


def _pool(url: Url, wanted: Wanted) -> urllib3.HTTPConnectionPool:
    """Connections to the address that was checked. The certificate and the Host header are those of the name."""
    address, timeout = _address(url, wanted), urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    if url.scheme == "http":
        return urllib3.HTTPConnectionPool(address, url.port, timeout=timeout)
    return urllib3.HTTPSConnectionPool(
        address, url.port, timeout=timeout, server_hostname=url.host, assert_hostname=url.host
    )


def _get(pool: urllib3.HTTPConnectionPool, url: Url) -> urllib3.BaseHTTPResponse:
    headers = {"Host": str(url.netloc), "Accept-Encoding": "identity"}
    try:
        return pool.request(
            "GET",
            url.request_uri,
            headers=headers,
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
    except urllib3.exceptions.HTTPError as error:
        raise ProviderUnavailable(f"{url.netloc} does not answer: {type(error).__name__}") from error


def _content_type(response: urllib3.BaseHTTPResponse, wanted: Wanted) -> str:
    """The content type of a response that may be stored."""
    status, headers, what = response.status, response.headers, wanted.what
    if status == 429:
        wait = headers.get("Retry-After", "")
        raise ProviderThrottled(f"{what}s are throttled", retry_after=float(wait) if wait.isdecimal() else None)
    if status == 408 or status >= 500:
        raise ProviderUnavailable(f"the {what}'s host answers {status}")
    if status != 200:
        raise BadAnswer(f"the {what}'s link answers {status}")
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not (kind.split("/")[0] in wanted.types or kind == "application/octet-stream") or "Content-Encoding" in headers:
        raise BadAnswer(f"the {what} is {kind[:64] or 'of no type'}, not {' or '.join(wanted.types)} as it is")
    size = headers.get("Content-Length", "")
    if size.isdecimal() and int(size) > wanted.max_bytes:
        raise BadAnswer(f"the {what} has {size} bytes, more than {wanted.max_bytes}")
    return kind
