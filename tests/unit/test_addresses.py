"""Addresses to post to: what is refused by its text, and what by what its host resolves to."""

import ipaddress

import pytest

from longhaul import addresses, settings
from longhaul.addresses import AddressRefused, checked, is_public, parsed, resolved

PUBLIC = "93.184.215.14"


@pytest.fixture(autouse=True)
def loopback(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether loopback is allowed: only in the tests that say so."""
    allowed = "allowed" in request.keywords or getattr(request, "param", False)
    monkeypatch.setenv("WEBHOOK_LOOPBACK", str(bool(allowed)).lower())
    settings.of.cache_clear()


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        ("https://hooks.example.com/a?b=c", "hooks.example.com", 443, "/a?b=c", "hooks.example.com"),
        ("HTTPS://Hooks.Example.COM.", "hooks.example.com", 443, "/", "hooks.example.com"),
        ("https://hooks.example.com?x", "hooks.example.com", 443, "/?x", "hooks.example.com"),
        ("https://hooks.example.com:8443/", "hooks.example.com", 8443, "/", "hooks.example.com:8443"),
        ("https://hooks.example.com:443/", "hooks.example.com", 443, "/", "hooks.example.com"),
        ("https://93.184.215.14/x", PUBLIC, 443, "/x", PUBLIC),
        ("https://[2606:2800:21f:cb07::1]/", "2606:2800:21f:cb07::1", 443, "/", "[2606:2800:21f:cb07::1]"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://a.b/%00%0d%0a", "a.b", 443, "/%00%0d%0a", "a.b"),
    ],
)
def test_what_is_taken_and_how_it_is_taken_apart(url: str, host: str, port: int, target: str, authority: str) -> None:
    found = parsed(url)
    assert (found.scheme, found.host, found.port, found.target) == ("https", host, port, target)
    assert found.authority == authority
    assert checked(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "https:hooks.example.com",
        "https:///path",
        "https://",
        "//hooks.example.com/",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com/#fragment",
        "https://hooks.example.com#",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:25/",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:x/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nX: y",
        "https://hooks.example.com/\t",
        "https://bücher.example/",
        "https://hooks。example。com/",
        "https://ⓔxample.com/",
        "https://hooks%2eexample.com/",
        "https://-a.example.com/",
        "https://a..example.com/",
        "https://a.example.com../",
        "https://intranet/",
        "https://localhost/",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://x.localhost/",
        "https://hooks.example.com/" + "a" * 1_000,
        f"https://{'a' * 64}.example.com/",
        # 127.0.0.1 in many forms
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://127.1/",
        "https://127.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.0x1/",
        "https://127.0.0.01/",
        "https://1.2.3.4.5/",
        "https://0/",
        "https://0x/",
        "https://a.0x7f/",
        "https://example.1/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2002:5db8:d822::1]/",
        "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "https://[2606:2800:21f:cb07::5efe:7f00:1]/",
        "https://[2606:2800:21f:cb07:200:5efe:7f00:1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fec0::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[ff02::1]/",
        "https://[ff0e::1]/",
        "https://[2001:db8::1]/",
        "https://[v1.x]/",
        "https://[::1/",
        # networks that are nobody's on the internet
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://169.254.170.2/",
        "https://172.16.0.1/",
        "https://192.0.0.1/",
        "https://192.0.2.1/",
        "https://192.88.99.1/",
        "https://192.168.0.1/",
        "https://198.18.0.1/",
        "https://198.51.100.1/",
        "https://203.0.113.1/",
        "https://224.0.0.1/",
        "https://239.255.255.250/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
    ],
)
def test_what_is_refused_by_its_text(url: str) -> None:
    with pytest.raises(AddressRefused):
        checked(url)


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["100.127.255.255"],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::"],
        ["fe80::1%eth0"],
        [PUBLIC, "10.0.0.1"],  # one that is private among public ones
        ["2606:2800:21f:cb07::1", "::1"],
    ],
)
def test_a_name_that_resolves_to_no_public_address_is_refused(found: list[str]) -> None:
    with pytest.raises(AddressRefused, match="not a public host"):
        resolved(parsed("https://hooks.example.com/"), lambda host, port: found)


def test_a_name_is_resolved_once_and_that_address_is_connected_to() -> None:
    # GIVEN DNS that answers with a public address first, and with a private one a moment later
    answers = iter([[PUBLIC, "93.184.215.15"], ["127.0.0.1"]])
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return next(answers)

    # THEN it is asked once
    assert resolved(parsed("https://hooks.example.com:8443/"), resolve) == PUBLIC
    assert asked == [("hooks.example.com", 8443)]


def test_a_name_without_an_address_is_an_error_of_dns() -> None:
    with pytest.raises(OSError, match="has no address"):
        resolved(parsed("https://hooks.example.com/"), lambda host, port: [])


def test_an_address_needs_no_dns() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("DNS was asked")

    assert resolved(parsed(f"https://{PUBLIC}/"), resolve) == PUBLIC


@pytest.mark.parametrize("loopback", [True], indirect=True)
@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://127.0.0.1:5102/receiver/a", "127.0.0.1:5102"),
        ("http://localhost/", "localhost"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ],
)
def test_loopback_where_it_is_allowed(loopback: None, url: str, authority: str) -> None:
    assert parsed(url).authority == authority
    assert resolved(parsed(url), lambda host, port: ["127.0.0.1"])


@pytest.mark.parametrize("loopback", [True], indirect=True)
@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "https://10.0.0.1/", "https://127.0.0.2/", "http://[::2]/"]
)
def test_nothing_else_is_allowed_then(loopback: None, url: str) -> None:
    with pytest.raises(AddressRefused):
        parsed(url)


@pytest.mark.parametrize("loopback", [True], indirect=True)
def test_a_public_name_that_resolves_to_loopback_is_refused_even_then(loopback: None) -> None:
    with pytest.raises(AddressRefused):
        resolved(parsed("https://hooks.example.com/"), lambda host, port: ["127.0.0.1"])


@pytest.mark.parametrize("loopback", [True], indirect=True)
def test_localhost_that_resolves_elsewhere_is_refused(loopback: None) -> None:
    with pytest.raises(AddressRefused):
        resolved(parsed("http://localhost/"), lambda host, port: ["10.0.0.1"])


@pytest.mark.parametrize("text", [PUBLIC, "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"])
def test_public_addresses(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def test_the_bound_of_an_address_is_the_columns() -> None:
    longest = "https://hooks.example.com/"
    assert checked(longest + "a" * (addresses.MAX_CHARACTERS - len(longest)))
