"""moto's application over HTTP/1.1, on connections that are kept.

moto's own server, werkzeug's, closes each connection after its response and starts a thread for the next one: a third
of what a small request costs.
"""

import functools
import select
import socket
import threading
from typing import Any

import moto.backends
from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection
from cheroot.workers.threadpool import ThreadPool
from cheroot.wsgi import Server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.aws import replace, shortcut

SPARE_THREADS = 8
_NO_LIMIT: Any = None  # with one, connections are counted for each request; its type stub knows none
LINGER_MS = 20
PACKET_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100"  # the client waits for it, and sends its body then
IDLE_SECONDS = 3600  # a connection closed while its client writes looks like a lost response


class AwsServer:
    """moto on a port of 127.0.0.1, in threads of this process. Port 0 takes a free one."""

    def __init__(self, port: int = 0, application: Any = None) -> None:
        _list_modules_once()
        shortcut.join()
        self._server = Server(
            ("127.0.0.1", port),
            application or DomainDispatcherApplication(create_backend_app),
            request_queue_size=1024,
            timeout=IDLE_SECONDS,
            shutdown_timeout=1,
        )
        self._server.ConnectionClass = Lingering
        self._server.keep_alive_conn_limit = _NO_LIMIT
        self._server.requests = GrowingPool(self._server, min=SPARE_THREADS)
        self._thread = threading.Thread(target=self._server.serve, daemon=True)

    @property
    def url(self) -> str:
        """Known once the server has started."""
        host, port = self._server.bind_addr
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Start to accept requests."""
        self._server.prepare()
        self._thread.start()

    def stop(self) -> None:
        self._server.stop()
        self._thread.join()


class Whole:
    """What a connection sends, a response in one packet. Otherwise its client wakes for the headers alone."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._held = bytearray()

    def write(self, content: bytes) -> None:
        self._held += content
        if len(self._held) > PACKET_BYTES or content.startswith(CONTINUE):
            self.flush()

    def flush(self) -> None:
        """Raises OSError when the client has gone."""
        content = bytes(self._held)
        self._held.clear()
        self._socket.sendall(content)


class Lingering(HTTPConnection):
    """A connection whose thread answers its next request, too, if that follows soon.

    Otherwise each request wakes two threads: one that looks at all connections, and one that it hands this one to.
    """

    def __init__(self, server: Any, sock: Any, makefile: Any = MakeFile) -> None:
        super().__init__(server, sock, makefile)
        self.wfile: Any = Whole(sock)
        self._next = select.poll()
        self._next.register(sock, select.POLLIN)

    def communicate(self) -> bool:
        kept = True
        while kept:
            kept = bool(super().communicate())  # type: ignore[no-untyped-call]
            try:
                self.wfile.flush()
            except OSError:  # its client has gone
                return False
            if not self.server.ready or not (self.rfile.has_data() or self._next.poll(LINGER_MS)):
                break
        return kept


class GrowingPool(ThreadPool):
    """A thread for each request under way, and some to spare.

    A limit could stop everything: a long poll keeps its thread for up to 20 seconds, and an invocation keeps one while
    the function runs, which sends requests of its own meanwhile.
    """

    def put(self, obj: Any) -> None:
        # A thread that has just taken a request still counts as idle for a moment, hence more than one to spare.
        if self.idle - self.qsize <= SPARE_THREADS // 2:
            self.grow(SPARE_THREADS)
        super().put(obj)


@functools.cache
def _list_modules_once() -> None:
    """Let moto list its own folder once. It does so for each request."""
    listed = moto.backends.list_of_moto_modules
    replace(moto.backends, "list_of_moto_modules", functools.cache(lambda: frozenset(listed())))
