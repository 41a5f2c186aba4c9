"""One POST to receivers of every manner: what came of it, and that none holds it longer than it may take."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.receiving import Receiver
from webhooks import posting
from webhooks.posting import LATE, post

BODY, HEADERS = b'{"type":"x"}', {"Content-Type": "application/json", "webhook-id": "msg_1"}
BRIEF = 0.5  # seconds that a try may take here

pytestmark = pytest.mark.usefixtures("database")


def test_a_receiver_is_posted_the_body_and_the_headers(receiver: Receiver) -> None:
    receiver.behave("a", status=200, body="thanks")
    outcome = post(f"{receiver.url('a')}/b?c=d", BODY, HEADERS)
    assert (outcome.status_code, outcome.error, outcome.answer) == (200, None, "thanks")
    assert outcome.succeeded
    (posted,) = receiver.posted("a")
    assert (posted["path"], posted["body"]) == ("/receiver/a/b?c=d", BODY.decode())
    assert posted["headers"]["content-type"] == "application/json"
    assert posted["headers"]["webhook-id"] == "msg_1"
    assert posted["headers"]["host"].startswith("127.0.0.1:")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.behave("a", status=status, headers={"Location": receiver.url("b")})
    outcome = post(receiver.url("a"), BODY, HEADERS)
    assert (outcome.status_code, outcome.succeeded) == (status, False)
    assert outcome.error == f"the answer's status is {status}"
    assert receiver.posted("b") == []


def test_retry_after_is_read(receiver: Receiver) -> None:
    receiver.behave("a", status=503, headers={"Retry-After": "77"})
    assert post(receiver.url("a"), BODY, HEADERS).retry_after == 77


@pytest.mark.parametrize(
    ("manner", "error"),
    [
        ({"delay": 30}, LATE),
        ({"way": "drip_headers"}, LATE),
        ({"way": "close"}, "no connection: RemoteDisconnected"),
        ({"way": "broken"}, "no HTTP answer: BadStatusLine"),
    ],
)
def test_what_is_no_answer_fails_within_the_time(receiver: Receiver, manner: dict[str, Any], error: str) -> None:
    receiver.behave("a", **manner)
    began = time.monotonic()
    outcome = post(receiver.url("a"), BODY, HEADERS, seconds=BRIEF)
    assert (outcome.status_code, outcome.error) == (None, error)
    assert time.monotonic() - began < BRIEF + 2
    assert outcome.latency_ms < (BRIEF + 2) * 1000


@pytest.mark.parametrize("way", ["drip", "long"])
def test_a_body_without_an_end_is_cut_and_its_status_counts(receiver: Receiver, way: str) -> None:
    receiver.behave("a", status=200, way=way)
    began = time.monotonic()
    outcome = post(receiver.url("a"), BODY, HEADERS, seconds=BRIEF)
    assert (outcome.status_code, outcome.succeeded) == (200, True)
    assert outcome.answer
    assert len(outcome.answer) <= 1024
    assert time.monotonic() - began < BRIEF + 2


def test_an_answer_is_kept_as_text_whatever_it_is(receiver: Receiver) -> None:
    receiver.behave("a", status=500, body="é" * 2_000)
    answer = post(receiver.url("a"), BODY, HEADERS).answer
    assert answer == "é" * 512


def test_nobody_at_the_port(receiver: Receiver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert post(f"http://127.0.0.1:{port}/", BODY, HEADERS).error == "no connection: Connection refused"


def test_a_name_that_has_become_private_is_refused_at_the_try(receiver: Receiver) -> None:
    outcome = post("https://hooks.example.com/", BODY, HEADERS, resolve=lambda host, port: ["10.0.0.1"])
    assert outcome.error == "the address was refused: hooks.example.com is not a public host"


def test_dns_that_fails(receiver: Receiver) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert post("https://hooks.example.com/", BODY, HEADERS, resolve=resolve).error == (
        "no connection: Name or service not known"
    )


def test_no_proxy_is_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(receiver.url("a"), BODY, HEADERS).succeeded


# ------------------------------------------------------------------------------------------------------------ TLS


class Secured:
    """A server with a certificate for `name`, which answers 204, or (`mute`) never says a word."""

    def __init__(self, folder: Path, name: str, *, mute: bool = False) -> None:
        self.certificate = _certificate(folder, name)
        self._mute = mute
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.names: list[str | None] = []
        self._context.sni_callback = lambda _, name, __: self.names.append(name)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            if self._mute:
                continue
            try:
                with self._context.wrap_socket(taken, server_side=True) as secured:
                    seen = b""
                    while not seen.endswith(BODY):
                        seen += secured.recv(65_536)
                    secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except OSError:
                continue

    def close(self) -> None:
        self._listening.close()


def _certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternative = x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """trusting(server): the functions trust its certificate's maker."""

    def trust(server: Secured) -> Secured:
        context = ssl.create_default_context(cafile=str(server.certificate))
        monkeypatch.setattr(posting, "_context", lambda: context)
        opened.append(server)
        return server

    opened: list[Secured] = []
    yield trust
    for server in opened:
        server.close()


def test_the_certificate_is_held_against_the_name_not_the_address(trusting: Any, tmp_path: Path) -> None:
    server = trusting(Secured(tmp_path, "localhost"))
    outcome = post(f"https://localhost:{server.port}/", BODY, HEADERS, resolve=lambda host, port: ["127.0.0.1"])
    assert outcome.succeeded, outcome
    assert server.names == ["localhost"]
    assert "mismatch" in str(post(f"https://127.0.0.1:{server.port}/", BODY, HEADERS).error)


def test_a_certificate_of_nobody_we_trust(tmp_path: Path) -> None:
    server = Secured(tmp_path, "127.0.0.1")
    assert "TLS failed: self-signed certificate" in str(post(f"https://127.0.0.1:{server.port}/", BODY, HEADERS).error)
    server.close()


def test_a_server_that_is_mute_at_the_handshake(trusting: Any, tmp_path: Path) -> None:
    server = trusting(Secured(tmp_path, "127.0.0.1", mute=True))
    assert post(f"https://127.0.0.1:{server.port}/", BODY, HEADERS, seconds=BRIEF).error == LATE
