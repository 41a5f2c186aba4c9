"""TLS to the database, against a server whose authority only we know."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from longhaul import settings
from longhaul.database import connections
from longhaul.errors import DatabaseUnavailable

PLUGIN = b"mysql_native_password"
# Protocol 41, long flags, TLS, secure connection, plugin authentication, a database at connect, transactions.
CAPABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x800 | 0x2000 | 0x8000 | 0x80000
GREETING = (
    b"\x0a8.0.40\x00"
    + struct.pack("<I", 1)
    + b"a" * 8
    + b"\x00"
    + struct.pack("<HBHHB", CAPABILITIES & 0xFFFF, 45, 2, CAPABILITIES >> 16, 21)
    + b"\x00" * 10
    + b"b" * 12
    + b"\x00"
    + PLUGIN
    + b"\x00"
)
OK = b"\x00\x00\x00\x02\x00\x00\x00"


class Authority:
    """A private authority in a folder, and a server's certificate of its own."""

    def __init__(self, folder: Path) -> None:
        self.bundle, self.chain = folder / "ca.pem", folder / "server.pem"
        key, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca = self._certificate("Private CA", key, "Private CA", key, ca=True)
        self.bundle.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        own = self._certificate("localhost", server, "Private CA", key, ca=False)
        private = server.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.chain.write_bytes(private + own.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def _certificate(name: str, key: Any, issuer: str, signer: Any, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=ca,
                    crl_sign=ca,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(signer, hashes.SHA256())
        )


def _packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def _received(connection: socket.socket) -> tuple[int, bytes]:
    head = connection.recv(4)
    if len(head) < 4:
        raise ConnectionError
    size = int.from_bytes(head[:3], "little")
    body = b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    return head[3], body


def _serve(connection: socket.socket, context: ssl.SSLContext) -> None:
    """MySQL as far as it takes to log in over TLS and to be answered OK."""
    try:
        connection.sendall(_packet(0, GREETING))
        _received(connection)  # what the client asks for is TLS
        connection = context.wrap_socket(connection, server_side=True)
        while True:
            number, _ = _received(connection)
            connection.sendall(_packet(number + 1, OK))
    except OSError:
        connection.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def port(authority: Authority) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_serve, args=(connection, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def connect(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Opens a connection under a DATABASE_TLS."""

    def opened(tls: str, host: str = "localhost") -> None:
        secret = {"username": "app", "password": "", "dbname": "longhaul", "host": host, "port": port}
        monkeypatch.setattr(connections, "_credentials", lambda **_: secret)
        monkeypatch.setenv("DATABASE_SECRET_ARN", "arn")
        monkeypatch.setenv("DATABASE_TLS", tls)
        settings.of.cache_clear()
        connections.open_connection().close()

    yield opened
    settings.of.cache_clear()
    connections._tls.cache_clear()


def test_an_authority_that_the_system_does_not_know_is_refused(connect: Callable[..., None]) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        connect("verify")
    assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.__cause__)


def test_with_its_bundle_it_is_believed(connect: Callable[..., None], authority: Authority) -> None:
    connect(str(authority.bundle))


def test_but_not_for_another_host(connect: Callable[..., None], authority: Authority) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        connect(str(authority.bundle), host="127.0.0.1")
    assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.__cause__)


def test_the_system_s_authorities_count_beside_the_bundle(authority: Authority) -> None:
    connections._tls.cache_clear()
    plain, both = connections._tls("verify"), connections._tls(str(authority.bundle))
    assert plain is not None
    assert both is not None
    assert len(both.get_ca_certs()) == len(plain.get_ca_certs()) + 1


def test_without_tls_no_authorities_are_loaded(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("this takes longer than the handshake"))
    monkeypatch.setattr(connections, "READ_SECONDS", 0.2)
    with pytest.raises(DatabaseUnavailable):  # this server wants TLS
        connect("off")


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_bundle_that_is_none_names_the_variable(
    connect: Callable[..., None], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "bundle.pem"
    if content:
        path.write_text(content)
    with pytest.raises(settings.SettingsError, match=f"DATABASE_TLS: {path} holds no certificates"):
        connect(str(path))
