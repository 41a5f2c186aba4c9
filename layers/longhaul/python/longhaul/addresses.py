"""Addresses that callers give us to post to: which are allowed, and how a connection is kept to a public one.

An address is checked twice: its text when it is given, without DNS, and what its host resolves to at each connection.
The host is resolved once, every address must be public, and the connection goes to one that was checked. So a name
that DNS answers differently a moment later gains nothing. The text is taken apart here alone: no second parser sees it.

`WebhookLoopback` also allows http and loopback: for tests and for the stack on one machine.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from longhaul import settings

MAX_CHARACTERS = 1_000
HTTPS_PORT, FIRST_FREE_PORT, LAST_PORT = 443, 1024, 65_535
LOOPBACK = ("127.0.0.1", "::1", "localhost")

_PRINTABLE = re.compile(r"[!-~]+")
_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label that some resolvers take for a part of an IPv4 address

# Networks of IPv6 that hold IPv4 addresses: their gateways lead where nothing here can see.
_TRANSLATED = tuple(
    map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"))
)
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")  # the middle of an address that holds one, too
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")  # of 6to4

type Resolve = Callable[[str, int], list[str]]
type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(ValueError):
    """The address must not be connected to. The message says why."""


@dataclass(frozen=True)
class Url:
    """An address taken apart. `target` is its path with its query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (HTTPS_PORT if self.scheme == "https" else 80) else f"{host}:{self.port}"


def checked(text: str) -> str:
    """The text, which is an address that may be posted to as far as one can see without DNS.

    Raises AddressRefused, a ValueError: as a validator its message goes to the caller.
    """
    parsed(text)
    return text


def parsed(text: str) -> Url:
    """As `checked`, taken apart."""
    if len(text) > MAX_CHARACTERS:
        raise AddressRefused(f"the address has more than {MAX_CHARACTERS} characters")
    if not _PRINTABLE.fullmatch(text) or "\\" in text:
        raise AddressRefused(
            "write the address in ASCII, without spaces: percent-encoded, a host of other letters as xn--"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise AddressRefused("this is no URL") from None
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("the address must not hold a user or a password")
    if "#" in text:
        raise AddressRefused("the address must not have a fragment")
    host = _host(parts.hostname or "")
    if "[" in parts.netloc and ":" not in host:
        raise AddressRefused("brackets are for an IPv6 address")
    loopback = _is_loopback(host) and _allows_loopback()
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise AddressRefused("the address must begin with https://")
    if not loopback:
        _check_host(host)
        if port is not None and port != HTTPS_PORT and port < FIRST_FREE_PORT:
            raise AddressRefused(f"the port must be {HTTPS_PORT}, or {FIRST_FREE_PORT} to {LAST_PORT}")
    default = HTTPS_PORT if parts.scheme == "https" else 80
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(parts.scheme, host, default if port is None else port, target)


def resolved(url: Url, resolve: Resolve | None = None) -> str:
    """The IP address to connect to. Raises AddressRefused unless all that the host has are public; OSError from DNS."""
    addresses = [url.host] if _literal(url.host) else (resolve or _addresses)(url.host, url.port)
    if not addresses:
        raise OSError(f"{url.host} has no address")
    loopback = _is_loopback(url.host) and _allows_loopback()
    for address in addresses:
        ip = ipaddress.ip_address(address)
        if not is_public(ip) and not (loopback and ip.is_loopback):
            raise AddressRefused(f"{url.host} is not a public host")
    return addresses[0]


def is_public(ip: Address) -> bool:
    """Whether it is one host's on the internet, and no other address in disguise."""
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip not in _RELAYS
    embedded = any(ip in network for network in _TRANSLATED) or ip.packed[8:12] in _ISATAP
    return ip in _GLOBAL_UNICAST and not embedded


def _host(name: str) -> str:
    """In lower case, without the dot that ends a full name."""
    return name.lower().removesuffix(".")


def _check_host(host: str) -> None:
    ip = _literal(host)
    if ip is not None:
        if not is_public(ip):
            raise AddressRefused(f"{host} is not a public address")
        return
    if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        raise AddressRefused("write an IPv4 address as four decimal numbers")
    if not _NAME.fullmatch(host) or host.endswith(".localhost"):
        raise AddressRefused("the host must be a full name, such as hooks.example.com")


def _literal(host: str) -> Address | None:
    """The address that the host is, in its plain form."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    return host in LOOPBACK


def _allows_loopback() -> bool:
    allowed: bool = settings.of(settings.Webhooks).webhook_loopback
    return allowed


def _addresses(host: str, port: int) -> list[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
