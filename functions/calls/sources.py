"""Where recordings come from: hosts on the allow-list, reached at an address that was checked.

Redirects are followed by hand, each hop checked like the first. A host's name is resolved once, its addresses must be
public, and the connection goes to one of them: a name that means another machine a moment later gains nothing. An
address that the allow-list itself names, as `127.0.0.1:3002` on one machine, may be private. IPv6 is not used.

A recording's link is signed, and whoever has it may use it: it is neither logged nor in any error.
"""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

import urllib3
from urllib3.util import Url, parse_url

from longhaul import settings
from longhaul.errors import BadAnswer, ProviderUnavailable

MOST_REDIRECTS = 3
CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0
PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)


@contextmanager
def fetched(link: str) -> Iterator[urllib3.BaseHTTPResponse]:
    """The answer to the link, or to where it redirects; nothing of its body is read yet."""
    base = ""
    for _ in range(MOST_REDIRECTS + 1):
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
    raise BadAnswer(f"the recording is redirected more than {MOST_REDIRECTS} times")


def _parsed(base: str, link: str) -> Url:
    try:
        url = parse_url(urljoin(base, link))
    except ValueError:
        raise BadAnswer("the recording's link is no URL") from None
    if url.scheme not in PORTS or not url.host or url.auth:
        raise BadAnswer("the recording's link is no http or https URL of a host")
    if not _listed(url.host, url):
        raise BadAnswer(f"recordings are not fetched from {url.netloc}")
    return url


def _listed(name: str, url: Url) -> bool:
    """Whether the allow-list has this name at the port of the URL."""
    usual = str(PORTS[url.scheme or ""])
    for entry in settings.of(settings.Recordings).recording_hosts:
        host, _, port = entry.partition(":")
        if (port or usual) == str(url.port or usual) and (
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
        if not (parsed.is_global and not parsed.is_multicast) and not _listed(address, url):
            raise BadAnswer(f"{url.host} is not a public host")
    return addresses[0]


def _pool(url: Url) -> urllib3.HTTPConnectionPool:
    """Connections to the address that was checked; certificate and Host are those of the name."""
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
