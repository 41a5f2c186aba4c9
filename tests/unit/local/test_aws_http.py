"""The local AWS over HTTP: connections are kept, and no number of slow requests keeps another waiting."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from local.aws import http
from local.aws.http import SPARE_THREADS, AwsServer

SLOW = 5 * SPARE_THREADS


class Application:
    """/slow answers once `done` is set; `clients` are the addresses that requests came from, `threads` what
    answered them."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.clients: list[str] = []
        self.threads: list[int] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.clients.append(environ["REMOTE_PORT"])
        self.threads.append(threading.get_ident())
        if environ["PATH_INFO"] == "/slow":
            self.arrived.release()
            assert self.done.wait(120)
        method = environ["REQUEST_METHOD"].encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(method)))])
        return [] if method == b"HEAD" else [method]


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    server = AwsServer(application=application)
    server.start()
    yield server.url
    server.stop()


def test_a_connection_is_kept_over_requests_whose_body_nobody_has_read(url: str, application: Application) -> None:
    with urllib3.PoolManager(retries=False) as pool:
        for _ in range(3):
            assert pool.request("POST", f"{url}/", body=b"x" * 100_000).data == b"POST"
            assert pool.request("HEAD", f"{url}/").status == 200
            assert pool.request("GET", f"{url}/").data == b"GET"
    assert len(application.clients) == 9
    assert len(set(application.clients)) == 1


def test_requests_that_take_long_keep_no_other_waiting(url: str, application: Application) -> None:
    with ThreadPoolExecutor(SLOW) as threads, urllib3.PoolManager(maxsize=SLOW, retries=False) as pool:
        try:
            slow = [threads.submit(pool.request, "GET", f"{url}/slow") for _ in range(SLOW)]
            for _ in slow:
                assert application.arrived.acquire(timeout=60)
            assert urllib3.request("GET", f"{url}/", timeout=60, retries=False).data == b"GET"
        finally:
            application.done.set()
        assert all(request.result().status == 200 for request in slow)


def test_the_next_request_of_a_connection_is_answered_by_the_same_thread(
    monkeypatch: pytest.MonkeyPatch, url: str, application: Application
) -> None:
    monkeypatch.setattr(http, "LINGER_MS", 60_000)  # however busy this machine is
    with urllib3.PoolManager(retries=False) as pool:
        for _ in range(4):
            assert pool.request("GET", f"{url}/").data == b"GET"
    assert len(set(application.threads)) == 1


def test_a_connection_is_kept_beyond_its_thread(
    monkeypatch: pytest.MonkeyPatch, url: str, application: Application
) -> None:
    monkeypatch.setattr(http, "LINGER_MS", 0)
    with urllib3.PoolManager(retries=False) as pool:
        for _ in range(2 * SPARE_THREADS):
            assert pool.request("GET", f"{url}/").data == b"GET"
    assert len(set(application.clients)) == 1
    assert len(set(application.threads)) > 1


def test_a_client_that_waits_to_send_its_body_is_told_to_go_on(url: str) -> None:
    address = url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=30) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: aws\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b"body")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_response_is_one_packet() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        writer = http.Whole(ours)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        writer.write(b"{}")
        writer.flush()
        assert theirs.recv(1000) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
