"""Connections to AWS: how an answer may look, when a connection is used again, and botocore's errors for what fails."""

import gc
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError, SSLError

from longhaul.aws.connections import Connections, Response

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nX-ID:7\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\nTrailer: 1\r\n\r\n"
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Id: 7\r\n\r\n{}"


class Service:
    """Answers each connection's requests with the answers that it has for that one, then closes it."""

    def __init__(self, server: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        self.asked: list[bytes] = []
        self.closed = threading.Event()  # the first of them

    def accept(self, server: socket.socket, answers: Sequence[Sequence[bytes]]) -> None:
        for each in answers:
            connection, _ = server.accept()
            connection.settimeout(10)  # should nothing come
            threading.Thread(target=self._serve, args=(connection, each), daemon=True).start()

    def _serve(self, connection: socket.socket, answers: Sequence[bytes]) -> None:
        with connection, connection.makefile("rb") as file:
            for answer in answers:
                self.asked.append(_request(file))
                connection.sendall(answer)
        self.closed.set()


def _request(file: BufferedReader) -> bytes:
    size, head = 0, b""
    while line := file.readline().rstrip():
        head += line + b"\n"
        size = int(line.partition(b":")[2]) if line.startswith(b"Content-Length:") else size
    return head + file.read(size)


@contextmanager
def service(*answers: Sequence[bytes]) -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)  # should nobody come
        running = Service(server)
        thread = threading.Thread(target=running.accept, args=(server, answers), daemon=True)
        thread.start()
        yield running
        thread.join()


def post(connections: Connections, body: bytes = b"{}") -> Response:
    return connections.post({"Host": connections.host, "X-Name": "value"}, body)


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        CHUNKED,
    ],
    ids=["with its length", "after a word in between", "in chunks"],
)
def test_an_answer_is_read_in_each_form(answer: bytes) -> None:
    with service([answer]) as running:
        response = post(Connections(running.url, (1.0, 1.0)))
    assert (response.status_code, response.headers["x-id"], response.content) == (200, "7", b"{}")


def test_a_request_is_whole_and_its_packets_do_not_wait() -> None:
    with service([OK]) as running:
        connections = Connections(f"{running.url}/here", (1.0, 1.0))
        post(connections, b"a body")
        (idle,) = connections._idle
        assert idle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    host = running.url.removeprefix("http://")
    expected = "POST /here HTTP/1.1", f"Host: {host}", "X-Name: value", "Content-Length: 6"
    assert running.asked == ["\n".join([*expected, "a body"]).encode()]


def test_an_answer_is_gone_with_its_last_reference() -> None:
    """Not at the next look for garbage: there may be none for thousands of calls, of a megabyte each."""
    with service([OK, OK]) as running:
        connections = Connections(running.url, (1.0, 1.0))
        post(connections)
        gc.collect()
        gc.disable()
        try:
            post(connections)
            assert gc.collect() == 0
        finally:
            gc.enable()


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\n", "a\rb"])
def test_a_header_with_a_line_break_is_not_sent(value: str) -> None:
    with service([]) as running, pytest.raises(ValueError, match="line break"):
        Connections(running.url, (1.0, 1.0)).post({"X-Name": value}, b"")


def test_a_connection_is_used_again() -> None:
    with service([OK, OK, OK]) as running:
        connections = Connections(running.url, (1.0, 1.0))
        assert [post(connections).status_code for _ in range(3)] == [200] * 3


def test_one_that_the_service_has_closed_is_not() -> None:
    with service([OK], [OK]) as running:
        connections = Connections(running.url, (1.0, 1.0))
        post(connections)
        assert running.closed.wait(10)
        assert post(connections).status_code == 200


def test_after_a_loss_none_of_the_idle_ones_is() -> None:
    """What was idle as long is lost as well, though nothing has come from it."""
    with service([OK], [OK]) as running:
        connections = Connections(running.url, (1.0, 1.0))
        first, second = connections._opened(), connections._opened()
        for each in (first, second):
            each.sendall(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            assert each.recv(1_000) == OK
            each.shutdown(socket.SHUT_WR)  # its next request is lost, and nothing says so before
        connections._idle += [first, second]
        connections._taken = connections._idle.pop  # type: ignore[method-assign] # the poll sees a loss that is told
        with pytest.raises(ConnectionClosedError):
            post(connections)
        assert not connections._idle


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"X-Id: 7", b"Connection: close"),
        OK.replace(b"X-Id: 7", b"connection:Close"),
        OK.replace(b"1.1", b"1.0"),
    ],
)
def test_one_that_the_service_is_about_to_close_is_not(answer: bytes) -> None:
    with service([answer]) as running:
        connections = Connections(running.url, (1.0, 1.0))
        post(connections)
        assert not connections._idle


def test_calls_at_once_have_a_connection_each() -> None:
    with service([OK], [OK]) as running:
        connections = Connections(running.url, (1.0, 1.0))
        first = connections._opened()
        assert post(connections).status_code == 200
        connections._idle.append(first)
        assert post(connections).status_code == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        OK[:-1],
        OK.replace(b"2\r\n", b"x\r\n"),
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"SSH-2.0\r\n\r\n",
        OK + OK,
        OK + b"{}",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
    ids=[
        "nothing",
        "half a head",
        "half a body",
        "no length",
        "until the end",
        "another protocol",
        "two",
        "too long",
        "upgrade",
    ],
)
def test_anything_but_one_whole_answer_is_a_closed_connection(answer: bytes) -> None:
    with service([answer]) as running:
        connections = Connections(running.url, (1.0, 1.0))
        with pytest.raises(ConnectionClosedError):
            post(connections)
        assert not connections._idle


def test_no_answer_in_time_is_a_read_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ReadTimeoutError):
        post(Connections(f"http://127.0.0.1:{server.getsockname()[1]}", (1.0, 0.01)))


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_nobody_there_is_an_endpoint_that_cannot_be_reached(host: str) -> None:
    with pytest.raises(EndpointConnectionError):
        post(Connections(f"http://{host}", (1.0, 1.0)))


def test_authorities_that_cannot_be_read_are_a_tls_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(SSLError):
        post(Connections("https://127.0.0.1:1", (1.0, 1.0)))


def test_what_speaks_no_tls_is_a_tls_error() -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1_000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,), daemon=True)
        thread.start()
        with pytest.raises(SSLError):
            post(Connections(f"https://127.0.0.1:{server.getsockname()[1]}", (1.0, 1.0)))
        thread.join()
