"""moto's application over HTTP/1.1, on connections that are kept.

moto's own server, werkzeug's, closes each connection after its response and starts a thread for the next one: a third
of what a small request costs.
"""

import functools
import threading
from typing import Any

import moto.backends
from cheroot.workers.threadpool import ThreadPool
from cheroot.wsgi import Server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.aws import replace, shortcut

SPARE_THREADS = 8
_NO_LIMIT: Any = None  # with one, connections are counted for each request; its type stub knows none
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
