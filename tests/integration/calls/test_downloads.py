"""Recordings copied over HTTP into moto's S3: from where they may come, what they may be, and what stays when not."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from calls import pages, recordings
from calls.model import Outcome
from calls.provider import Lead, provider
from longhaul import aws, downloads, settings
from longhaul.aws import links
from longhaul.errors import BadAnswer, LonghaulError, ProviderThrottled, ProviderUnavailable
from tests.integration.calls.conftest import StandIn

KEY = "acme/call_campaign_1/job-1.wav"
WAV = {"Content-Type": "audio/wav"}
MEGABYTE = 1024 * 1024
# What one execution environment holds at its most, in megabytes, before it copies and after.
ELSEWHERE = """
import re, sys
from pathlib import Path
from calls import recordings
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
link, bucket, key = sys.argv[1:]
recordings.exists(bucket, key), recordings._in_parts()
before = peak()
print(recordings.copy_recording(link, bucket=bucket, key=key), before, peak())
"""


class Server(ThreadingHTTPServer):
    """Answers by path, and remembers its requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Callable[[Any], None]] = {}
        self.requests: list[tuple[str, str]] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def gives(
        self, path: str, body: bytes = b"RIFF", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> str:
        """The link to an answer; its length is sent unless the headers say another."""
        sent = {**WAV, "Content-Length": str(len(body)), **(headers or {})}

        def answer(handler: Handler) -> None:
            handler.send_response(status)
            for name, value in sent.items():
                if value:
                    handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        return self.does(path, answer)

    def redirects(self, path: str, to: str) -> str:
        return self.gives(path, b"", status=302, headers={"Location": to})

    def does(self, path: str, answer: Callable[["Handler"], None]) -> str:
        self.answers[path] = answer
        return f"http://{self.place}{path}?Signature=abc%2Bd%2F"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Host"]))
        try:
            self.server.answers[urlsplit(self.path).path](self)
        except OSError:
            self.close_connection = True  # the client has had enough

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    with Server() as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def host() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def allow(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts these on the allow-list, and nothing else."""

    def put(*hosts: str) -> None:
        monkeypatch.setenv("RECORDING_HOSTS", ", ".join(hosts))
        settings.of.cache_clear()

    return put


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of names that no resolver has; each question takes the first, the last stays."""
    known: dict[str, list[str]] = {}
    really = socket.getaddrinfo

    def resolve(host: str, port: Any, *of: Any, **more: Any) -> Any:
        if host not in known:
            return really(host, port, *of, **more)
        addresses = known[host]
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port or 0)) for one in address.split("+")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def copy(link: str, bucket: str) -> int:
    return recordings.copy_recording(link, bucket=bucket, key=KEY)


def stored(bucket: str) -> bytes:
    return aws.client("s3").get_object(Bucket=bucket, Key=KEY)["Body"].read()


def nothing_is_left(bucket: str) -> bool:
    s3 = aws.client("s3")
    return not (
        recordings.exists(bucket, KEY)
        or s3.list_objects_v2(Bucket=bucket).get("Contents")
        or s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    )


@pytest.mark.parametrize("kind", ["audio/wav", "audio/mpeg; rate=8000", "application/octet-stream", "Audio/X-WAV"])
def test_a_recording_is_copied_as_it_is(host: Server, bucket: str, allow: Callable[..., None], kind: str) -> None:
    allow(host.place)
    assert not recordings.exists(bucket, KEY)
    assert copy(host.gives("/a.wav", b"RIFF and so on", headers={"Content-Type": kind}), bucket) == 14
    assert stored(bucket) == b"RIFF and so on"
    assert recordings.exists(bucket, KEY)
    assert aws.client("s3").head_object(Bucket=bucket, Key=KEY)["ContentType"] == kind.partition(";")[0].lower()
    assert host.requests == [("/a.wav?Signature=abc%2Bd%2F", host.place)]


def test_the_providers_recording_plays(
    stand_in: StandIn, bucket: str, allow: Callable[..., None], tmp_path: Path
) -> None:
    import wave

    allow(stand_in.endpoint)
    stand_in.control(call_seconds=0.1)
    group = provider().create_group("春季体验课", "script-7", None, None)
    job_ids = provider().assign(group, [Lead(f"lead-{n}", f"1380013800{n}", "", {}) for n in range(8)])
    time.sleep(0.3)
    talked = next(job for job in provider().list_jobs(job_ids) if job.outcome == Outcome.CONNECTED)
    link = provider().recording_link(str(talked.call_task_id))
    assert link
    size = copy(link, bucket)
    (tmp_path / "a.wav").write_bytes(stored(bucket))
    assert (tmp_path / "a.wav").stat().st_size == size
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert wav.getnframes() / wav.getframerate() >= 2
    stand_in.control(fail_keys={"recording": "throttled"})
    with pytest.raises(BadAnswer, match="400"):
        copy(link, bucket)
    stand_in.control(fail_keys={"recording": "lost_answer"})
    with pytest.raises(ProviderUnavailable, match="broke off"):
        copy(link, bucket)


def test_an_expired_link_is_not_tried_again(stand_in: StandIn, bucket: str, allow: Callable[..., None]) -> None:
    allow(stand_in.endpoint)
    with pytest.raises(BadAnswer, match="403"):
        copy(f"{stand_in.url}/recordings/call-1.wav?Expires=1&Signature=x", bucket)


def test_60_megabytes_stream_through_little_memory(host: Server, bucket: str, allow: Callable[..., None]) -> None:
    allow(host.place)
    size = 60 * MEGABYTE + 7
    body = os.urandom(MEGABYTE) * 60 + b"the end"

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/wav")
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        for start in range(0, size, MEGABYTE):
            handler.wfile.write(body[start : start + MEGABYTE])

    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, host.does("/long.wav", answer), bucket, KEY],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    copied, before, after = map(float, done.stdout.split())
    assert copied == size
    assert stored(bucket) == body
    assert after - before < 30, "megabytes"


@pytest.mark.parametrize("declared", [True, False])
def test_100_megabytes_are_the_most(
    host: Server, bucket: str, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(recordings, "MAX_BYTES", 12 * MEGABYTE)
    allow(host.place)
    chunk, sent = b"x" * MEGABYTE, [0]

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/wav")
        if declared:
            handler.send_header("Content-Length", str(12 * MEGABYTE + 1))
        handler.end_headers()
        while sent[0] < 200:
            handler.wfile.write(chunk)
            sent[0] += 1

    with pytest.raises(BadAnswer, match="12582913 bytes" if declared else "more than 12582912"):
        copy(host.does("/huge.wav", answer), bucket)
    assert nothing_is_left(bucket)
    assert sent[0] < 100
    assert copy(host.gives("/full.wav", b"x" * (12 * MEGABYTE)), bucket) == 12 * MEGABYTE


@pytest.mark.parametrize("size", [1000, 7 * MEGABYTE])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_cut_short_leaves_nothing(
    host: Server, bucket: str, allow: Callable[..., None], size: int, chunked: bool
) -> None:
    allow(host.place)

    def answer(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/wav")
        handler.send_header("Transfer-Encoding" if chunked else "Content-Length", "chunked" if chunked else str(size))
        handler.end_headers()
        handler.wfile.write((f"{size:x}\r\n".encode() if chunked else b"") + b"x" * (size - 1))
        handler.close_connection = True

    with pytest.raises(ProviderUnavailable, match="broke off"):
        copy(host.does("/half.wav", answer), bucket)
    assert nothing_is_left(bucket)


def test_a_chunked_body_is_copied_whole(host: Server, bucket: str, allow: Callable[..., None]) -> None:
    allow(host.place)

    def answer(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/wav")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in (b"RI", b"FF and", b" so on"):
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    assert copy(host.does("/pieces.wav", answer), bucket) == 14
    assert stored(bucket) == b"RIFF and so on"


@pytest.mark.parametrize(
    ("status", "headers", "error", "message"),
    [
        (500, {}, ProviderUnavailable, "500"),
        (503, {}, ProviderUnavailable, "503"),
        (408, {}, ProviderUnavailable, "408"),
        (429, {"Retry-After": "7"}, ProviderThrottled, "throttled"),
        (403, {}, BadAnswer, "403"),
        (404, {}, BadAnswer, "404"),
        (206, {}, BadAnswer, "206"),
        (204, {}, BadAnswer, "204"),
        (200, {"Content-Type": "text/html"}, BadAnswer, "text/html"),
        (200, {"Content-Type": ""}, BadAnswer, "no type"),
        (200, {"Content-Type": "application/json"}, BadAnswer, "application/json"),
        (200, {"Content-Encoding": "gzip"}, BadAnswer, "not audio as it is"),
    ],
)
def test_what_is_no_recording_is_not_stored(
    host: Server,
    bucket: str,
    allow: Callable[..., None],
    status: int,
    headers: dict[str, str],
    error: type[LonghaulError],
    message: str,
) -> None:
    allow(host.place)
    with pytest.raises(error, match=message) as raised:
        copy(host.gives("/a.wav", status=status, headers=headers), bucket)
    assert type(raised.value) is error
    assert "abc" not in str(raised.value), "the link is as good as a key"
    assert getattr(raised.value, "retry_after", None) == (7 if status == 429 else None)
    assert nothing_is_left(bucket)


@pytest.mark.parametrize(
    "link",
    [
        "http://somewhere.else/a.wav",
        "http://{place}1/a.wav",
        "https://{place}@evil.example/a.wav",
        "http://user@{place}/a.wav",
        "http://evil.example#@{place}/a.wav",
        "http://evil.example\\@{place}/a.wav",
        "http://localhost:{port}/a.wav",
        "http://2130706433:{port}/a.wav",
        "http://127.1:{port}/a.wav",
        "http://[::1]:{port}/a.wav",
        "http://[::ffff:127.0.0.1]:{port}/a.wav",
        "ftp://{place}/a.wav",
        "file:///etc/passwd",
        "//{place}/a.wav",
        "{place}/a.wav",
        "http://{place}:80/a.wav",
        "http://[{place}/a.wav",
        "",
    ],
)
def test_only_hosts_on_the_list_are_asked(host: Server, bucket: str, allow: Callable[..., None], link: str) -> None:
    allow(host.place)
    host.gives("/a.wav")
    with pytest.raises(BadAnswer):
        copy(link.format(place=host.place, port=host.server_port), bucket)
    assert host.requests == []
    assert nothing_is_left(bucket)


@pytest.mark.parametrize(
    ("entry", "name", "allowed"),
    [
        ("*.oss.example", "a.oss.example", True),
        ("*.oss.example", "b.a.oss.example", True),
        ("*.oss.example", "oss.example", False),
        ("*.oss.example", "evil-oss.example", False),
        ("*.oss.example", "a.oss.example.evil.example", False),
        ("oss.example", "oss.example", True),
        ("oss.example", "OSS.Example", True),
        ("oss.example", "a.oss.example", False),
        ("oss.example", "oss.example.", False),
    ],
)
def test_an_entry_is_a_host_or_all_below_one(
    host: Server, bucket: str, allow: Callable[..., None], names: dict[str, list[str]], entry: str, name: str,
    allowed: bool,
) -> None:  # fmt: skip
    allow(f"{entry}:{host.server_port}", host.place)
    names |= {name.lower(): ["127.0.0.1"]}
    host.gives("/a.wav")
    link = f"http://{name}:{host.server_port}/a.wav"
    if allowed:
        assert copy(link, bucket) == 4
        assert host.requests == [("/a.wav", f"{name.lower()}:{host.server_port}")]
    else:
        with pytest.raises(BadAnswer, match="not fetched from"):
            copy(link, bucket)


def test_an_entry_without_a_port_means_the_usual_one(bucket: str, allow: Callable[..., None], host: Server) -> None:
    allow("127.0.0.1")
    with pytest.raises(BadAnswer, match="not fetched from"):
        copy(host.gives("/a.wav"), bucket)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "240.0.0.1", "255.255.255.255", "93.184.215.14+127.0.0.1"],
)  # fmt: skip
def test_a_name_of_a_private_address_is_refused(
    host: Server, bucket: str, allow: Callable[..., None], names: dict[str, list[str]], address: str
) -> None:
    allow(f"oss.example:{host.server_port}")
    names["oss.example"] = [address]
    with pytest.raises(BadAnswer, match=r"oss\.example is not a public host"):
        copy(f"http://oss.example:{host.server_port}/a.wav", bucket)
    assert host.requests == []


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    host: Server, bucket: str, allow: Callable[..., None], names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is checked and private a moment later."""
    allow(f"oss.example:{host.server_port}")
    names["oss.example"] = ["93.184.215.14", "127.0.0.1"]
    host.gives("/a.wav")
    tried: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> socket.socket:
        tried.append(address)
        raise OSError("no way out of a test")

    with monkeypatch.context() as patched, pytest.raises(ProviderUnavailable, match="does not answer"):
        patched.setattr(urllib3.util.connection, "create_connection", connect)
        copy(f"http://oss.example:{host.server_port}/a.wav", bucket)
    assert tried == [("93.184.215.14", host.server_port)]


def test_a_name_without_an_address_may_have_one_later(bucket: str, allow: Callable[..., None]) -> None:
    allow("nowhere.invalid")
    with pytest.raises(ProviderUnavailable, match="no address"):
        copy("http://nowhere.invalid/a.wav", bucket)


def test_three_redirects_on_the_list_are_followed(host: Server, bucket: str, allow: Callable[..., None]) -> None:
    allow(host.place)
    host.gives("/a.wav")
    host.redirects("/3", f"//{host.place}/a.wav")
    host.redirects("/2", f"http://{host.place}/3")
    link = host.redirects("/1", "2")
    assert copy(link, bucket) == 4
    assert [path for path, _ in host.requests] == ["/1?Signature=abc%2Bd%2F", "/2", "/3", "/a.wav"]
    link = host.redirects("/0", "/1")
    with pytest.raises(BadAnswer, match="more than 3"):
        copy(link, bucket)


@pytest.mark.parametrize(
    "to",
    ["http://169.254.169.254/latest/meta-data/", "http://localhost:{port}/a.wav", "file:///etc/passwd",
     "http://evil.example/a.wav", "http://[::1", "gopher://{place}/"],
)  # fmt: skip
def test_a_redirect_leads_nowhere_else(host: Server, bucket: str, allow: Callable[..., None], to: str) -> None:
    allow(host.place)
    host.gives("/a.wav")
    with pytest.raises(BadAnswer):
        copy(host.redirects("/1", to.format(place=host.place, port=host.server_port)), bucket)
    assert len(host.requests) == 1
    assert nothing_is_left(bucket)


def test_a_redirect_to_a_private_name_is_refused(
    host: Server, bucket: str, allow: Callable[..., None], names: dict[str, list[str]]
) -> None:
    allow(host.place, "oss.example")
    names["oss.example"] = ["10.0.0.7"]
    with pytest.raises(BadAnswer, match=r"oss\.example is not a public host"):
        copy(host.redirects("/1", "http://oss.example/a.wav"), bucket)


def test_a_host_that_is_silent_is_given_up(
    host: Server, bucket: str, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "READ_SECONDS", 0.3)
    allow(host.place)
    with pytest.raises(ProviderUnavailable, match="does not answer: ReadTimeoutError"):
        copy(host.does("/silent.wav", lambda handler: time.sleep(1)), bucket)

    def stop_midway(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/wav")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x" * 500)
        time.sleep(1)

    with pytest.raises(ProviderUnavailable, match="broke off: ReadTimeoutError"):
        copy(host.does("/midway.wav", stop_midway), bucket)
    assert nothing_is_left(bucket)


def test_a_trickle_is_given_up(
    host: Server, bucket: str, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MAX_SECONDS", 0.5)
    allow(host.place)

    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "audio/wav")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="did not arrive"):
        copy(host.does("/slow.wav", trickle), bucket)
    assert time.monotonic() - started < 2
    assert nothing_is_left(bucket)


def test_nobody_is_there(bucket: str, allow: Callable[..., None]) -> None:
    allow("127.0.0.1:1")
    with pytest.raises(ProviderUnavailable, match="NewConnectionError"):
        copy("http://127.0.0.1:1/a.wav", bucket)


def test_a_bucket_that_is_away_is_transient(host: Server, bucket: str, allow: Callable[..., None]) -> None:
    allow(host.place)
    with pytest.raises(ProviderUnavailable, match="cannot be stored"):
        copy(host.gives("/a.wav"), "no-such-bucket")
    with pytest.raises(ProviderUnavailable, match="cannot be stored"):
        copy(host.gives("/b.wav", b"x" * (6 * MEGABYTE)), "no-such-bucket")


def test_https_is_asked_by_name_at_the_address_that_was_checked(
    bucket: str,
    allow: Callable[..., None],
    names: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context, indicated = certified("oss.example", tmp_path), list[str | None]()
    context.sni_callback = lambda _, name, __: indicated.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with serving(context) as host:
        allow(*(f"{name}:{host.server_port}" for name in ("oss.example", "other.example", "127.0.0.1")))
        names |= {"oss.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}
        host.gives("/a.wav")
        assert copy(f"https://oss.example:{host.server_port}/a.wav", bucket) == 4
        assert indicated == ["oss.example"]
        assert host.requests == [("/a.wav", f"oss.example:{host.server_port}")]
        with pytest.raises(ProviderUnavailable, match="SSLError"):
            copy(f"https://other.example:{host.server_port}/a.wav", bucket)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
        with pytest.raises(ProviderUnavailable, match="SSLError"):
            copy(f"https://oss.example:{host.server_port}/a.wav", bucket)
        assert len(host.requests) == 1


def certified(name: str, folder: Path) -> ssl.SSLContext:
    """A server's side of TLS, for this name; its certificate is in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_a_link_to_what_is_ours_plays_and_expires(host: Server, bucket: str, allow: Callable[..., None]) -> None:
    allow(host.place)
    copy(host.gives("/a.wav", b"RIFF and so on"), bucket)
    link = pages.link_for(f"s3://{bucket}/{KEY}", links.signer(seconds=pages.LINK_SECONDS))
    query = parse_qs(urlsplit(link).query)
    assert query["X-Amz-Expires"] == ["1200"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    answer = urllib3.request("GET", link)
    assert (answer.status, answer.data) == (200, b"RIFF and so on")
    assert answer.headers["Content-Type"] == "audio/wav"


@pytest.mark.parametrize("link", ["http://old.example/a.wav?x=1", "https://old.example/b.wav"])
def test_an_old_link_is_served_as_it_is(bucket: str, link: str) -> None:
    assert pages.link_for(link, links.signer(seconds=1)) == link


def test_a_bucket_that_does_not_answer_is_not_an_empty_one(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    aws._client.cache_clear()
    try:
        with pytest.raises(ProviderUnavailable, match="does not answer"):
            recordings.exists(bucket, KEY)
    finally:
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
        aws._client.cache_clear()
