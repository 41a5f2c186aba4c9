"""Downloading a recording: from which hosts, at which address, and what the answer may be.

Redirects are followed by hand, and each hop is checked like the first: its host must be on the allow-list. A host is
resolved once, its addresses must be public, and the connection goes to one of them, so a name that is changed a moment
later gains nothing. An address that the allow-list itself names, as `127.0.0.1:3002` on one machine, may be private.
IPv6 is not used.

A recording's link is signed, and anyone who has it may use it. So it is neither logged nor part of an error.
"""

import ipaddress
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

import urllib3
from urllib3.util import Url, parse_url

from longhaul import settings
from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable

MAX_BYTES = 100 * 1024 * 1024
MAX_SECONDS = 60.0
MAX_REDIRECTS = 3
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0
PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)


class Audio:
    """A recording on its way here, as `upload_fileobj` reads it. `count` is the number of bytes that were read.

    Reading raises BadAnswer for too many bytes and ProviderUnavailable when it takes too long.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, content_type: str, deadline: float) -> None:
        self._response = response
        self._deadline = deadline
        self.content_type = content_type
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
        if self.count > MAX_BYTES:
            raise BadAnswer(f"the recording has more than {MAX_BYTES} bytes")
        if time.monotonic() > self._deadline:
            raise ProviderUnavailable(f"the recording did not arrive in {MAX_SECONDS:g} s")


@contextmanager
def download(link: str) -> Iterator[Audio]:
    """The recording behind the link. Nothing of it is read yet.

    Raises ProviderUnavailable or ProviderThrottled when it may work later, BadAnswer for what must not be downloaded: a
    host that is not allowed, no audio, more than 100 MB, a link that has expired.
    """
    deadline = time.monotonic() + MAX_SECONDS
    with _followed(link) as response:
        audio = Audio(response, _content_type(response), deadline)
        try:
            yield audio
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"the recording broke off: {type(error).__name__}") from error


@contextmanager
def _followed(link: str) -> Iterator[urllib3.BaseHTTPResponse]:
    """The response to the link, or to the last one that it redirects to."""
    base = ""
    for _ in range(MAX_REDIRECTS + 1):
        url = _parsed(base, link)
        with _pool(url) as pool:
            response = _get(pool, url)
            try:
                if response.status not in REDIRECTS:
                    yield response
                    return
                base, link = url.url, response.headers.get("Location", "")
            finally:
                response.close()
    raise BadAnswer(f"the recording is redirected more than {MAX_REDIRECTS} times")


def _parsed(base: str, link: str) -> Url:
    try:
        url = parse_url(urljoin(base, link))
    except ValueError:
        raise BadAnswer("the recording's link is no URL") from None
    if url.scheme not in PORTS or not url.host or url.auth:
        raise BadAnswer("the recording's link is no http or https URL of a host")
    if not _is_allowed(url.host, url):
        raise BadAnswer(f"recordings are not fetched from {url.netloc}")
    return url


def _is_allowed(name: str, url: Url) -> bool:
    """Whether the allow-list has this name at the port of the URL."""
    default = str(PORTS[url.scheme or ""])
    for entry in settings.of(settings.Recordings).recording_hosts:
        host, _, port = entry.partition(":")
        if (port or default) == str(url.port or default) and (
            name == host or (host.startswith("*.") and name.endswith(host[1:]))
        ):
            return True
    return False


def _address(url: Url) -> str:
    try:
        found = socket.getaddrinfo(url.host, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ProviderUnavailable(f"{url.host} has no address") from error
    addresses = [str(info[4][0]) for info in found]
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        if not (parsed.is_global and not parsed.is_multicast) and not _is_allowed(address, url):
            raise BadAnswer(f"{url.host} is not a public host")
    return addresses[0]


def _pool(url: Url) -> urllib3.HTTPConnectionPool:
    """Connections to the address that was checked. The certificate and the Host header are those of the name."""
    address, timeout = _address(url), urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
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


def _content_type(response: urllib3.BaseHTTPResponse) -> str:
    """The content type of a response that may be stored."""
    status, headers = response.status, response.headers
    if status == 429:
        wait = headers.get("Retry-After", "")
        raise ProviderThrottled("recordings are throttled", retry_after=float(wait) if wait.isdecimal() else None)
    if status == 408 or status >= 500:
        raise ProviderUnavailable(f"the recording's host answers {status}")
    if status != 200:
        raise BadAnswer(f"the recording's link answers {status}")
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not (kind.startswith("audio/") or kind == "application/octet-stream") or "Content-Encoding" in headers:
        raise BadAnswer(f"the recording is {kind[:64] or 'of no type'}, not audio as it is")
    size = headers.get("Content-Length", "")
    if size.isdecimal() and int(size) > MAX_BYTES:
        raise BadAnswer(f"the recording has {size} bytes, more than {MAX_BYTES}")
    return kind
