"""MySQL through PyMySQL: one connection an execution environment, autocommit reads, explicit transactions.

with connection() as session:          # each statement stands alone
    queries.fetch_task(session, task_id=...)
run_transaction(lambda tx: ...)        # all or nothing; retried whole after a deadlock or a lock wait
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from longhaul.database import connections
from longhaul.database.connections import AWAY, LOST, ROLLED_BACK, Opened, error_number
from longhaul.errors import DatabaseUnavailable
from longhaul.observability import at_end, logger
from longhaul.timing import Group, timings

type Parameters = Any  # a dict of named parameters

SLOW_SECONDS = 0.1
IDLE_SECONDS = 5.0  # a connection idle for longer is pinged before it is trusted
TRANSACTION_TRIES = 3


class Session:
    """What aiosql's queries take as their first argument: runs named statements on one connection."""

    def __init__(self, connection: Opened, *, in_transaction: bool) -> None:
        self._connection = connection
        self._in_transaction = in_transaction

    def run(self, name: str, sql: str, parameters: Parameters) -> DictCursor:
        """One round trip. Raises DatabaseUnavailable when the server is away."""
        started = time.perf_counter()
        cursor = self._connection.cursor()
        with _translated():
            cursor.execute(sql, parameters)
        seconds = time.perf_counter() - started
        timings.measure(Group.statements, name, seconds)
        if seconds > SLOW_SECONDS:
            logger.warning("slow statement", extra={"statement": name, "seconds": round(seconds, 3)})
        return cursor

    def read(self, name: str, sql: str, parameters: Parameters) -> DictCursor:
        """As `run`; a read outside a transaction is asked once more on a new connection when its own was lost."""
        try:
            return self.run(name, sql, parameters)
        except DatabaseUnavailable:
            if self._in_transaction or self._connection.open:
                raise
        self._connection = _reopened()
        return self.run(name, sql, parameters)


class _Environment(threading.local):
    """The execution environment's one connection (a thread's, where there are several), and when it was last used."""

    connection: Opened | None = None
    used_at: float = 0.0


_environment = _Environment()


@contextmanager
def connection() -> Iterator[Session]:
    """The environment's connection in autocommit mode. Raises DatabaseUnavailable."""
    yield Session(_connection(), in_transaction=False)
    _environment.used_at = time.time()


@contextmanager
def transaction() -> Iterator[Session]:
    """BEGIN, then COMMIT when the block ends and ROLLBACK when it raises. Raises DatabaseUnavailable.

    When COMMIT itself is lost its outcome is unknown: the caller's retry must find out by key, never replay blindly.
    """
    opened = _begun()
    try:
        yield Session(opened, in_transaction=True)
        with _translated():
            opened.commit()
    except BaseException:
        _roll_back(opened)
        raise
    _environment.used_at = time.time()


def run_transaction[R](work: Callable[[Session], R], *, sleep: Callable[[float], None] = time.sleep) -> R:
    """`work` in a transaction of its own, tried whole up to three times after a deadlock or a lock wait."""
    return _retried(transaction, work, sleep)


def run_statement[R](work: Callable[[Session], R], *, sleep: Callable[[float], None] = time.sleep) -> R:
    """`work`, one statement that writes, without a transaction around it, tried again as a transaction is."""
    return _retried(connection, work, sleep)


def _retried[R](
    begin: Callable[[], AbstractContextManager[Session]], work: Callable[[Session], R], sleep: Callable[[float], None]
) -> R:
    for attempt in range(1, TRANSACTION_TRIES + 1):
        try:
            with begin() as session:
                return work(session)
        except DatabaseUnavailable as error:
            if error_number(error.__cause__) not in ROLLED_BACK or attempt == TRANSACTION_TRIES:
                raise
            logger.warning("rolled back, trying again", extra={"attempt": attempt})
            sleep(random.uniform(0, 0.2 * attempt))  # noqa: S311 (so that two rivals do not meet again)
    raise AssertionError("unreachable")


def close() -> None:
    """Close the environment's connection; the next use opens a new one."""
    opened, _environment.connection = _environment.connection, None
    if opened is not None and opened.open:
        opened.close()


def report_timings() -> None:
    """Report what was measured, if that is due, on the connection that this invocation has used; without one, later."""
    opened = _environment.connection
    if opened is None or not opened.open:
        return
    from longhaul.database import reporting  # which stands on this package, and is needed once a minute

    try:
        timings.report(lambda taken: reporting.write(Session(opened, in_transaction=True), taken))
    except (DatabaseUnavailable, pymysql.MySQLError) as error:
        logger.warning("timings not reported", extra={"reason": str(error)})


def _connection() -> Opened:
    opened = _environment.connection
    if opened is None or not opened.open:
        return _reopened()
    if time.time() - _environment.used_at > IDLE_SECONDS:
        try:
            opened.ping(reconnect=False)
        except pymysql.MySQLError:
            return _reopened()
    return opened


def _begun() -> Opened:
    """A connection with a transaction begun. One that was lost is replaced: nothing has been done on it yet."""
    opened = _connection()
    try:
        with _translated():
            opened.begin()
    except DatabaseUnavailable:
        opened = _reopened()
        with _translated():
            opened.begin()
    return opened


def _reopened() -> Opened:
    close()
    _environment.connection = connections.open_connection()
    _environment.used_at = time.time()
    return _environment.connection


def _roll_back(opened: Opened) -> None:
    try:
        opened.rollback()
    except pymysql.MySQLError:
        close()  # the server rolls back what a lost connection left open


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except pymysql.MySQLError as error:
        number = error_number(error)
        if number in LOST:
            close()
        if number in LOST | ROLLED_BACK | AWAY:
            raise DatabaseUnavailable(f"the database did not answer ({number})") from error
        raise


at_end(report_timings)
