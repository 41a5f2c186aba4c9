"""Brings the database's schema up to date with `migrations/*.sql`, in order, each once (yoyo keeps the record)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import Cursor
from yoyo.backends.core.mysql import MySQLBackend
from yoyo.connections import parse_uri
from yoyo.exceptions import LockTimeout
from yoyo.migrations import read_migrations

from longhaul import connections, database
from longhaul.observability import logger
from longhaul.tasks.kinds import kinds
from longhaul.tasks.lanes import store

LOCK_SECONDS = 10
DONE_ALREADY = (1060, 1061, 1091)  # MySQL's numbers for a column or a key that is there, or is gone
MIGRATIONS = Path(__file__).with_name("migrations")


class _Cursor(Cursor):
    """Passes over what is done already: the migration was killed after it did that, and MySQL 8 has no ADD COLUMN IF
    NOT EXISTS. (An ALTER TABLE is done whole or not at all.)
    """

    def execute(self, query: str, args: Any = None) -> int:
        try:
            return super().execute(query, args)
        except pymysql.OperationalError as error:
            if connections.error_number(error) not in DONE_ALREADY:
                raise
            logger.info("done already", extra={"reason": str(error)})
            return 0


class _Backend(MySQLBackend):  # yoyo knows only URIs; our connection has a verified TLS context and a secret
    def connect(self, dburi: Any) -> Any:
        return connections.open_connection(cursorclass=_Cursor, autocommit=False, read_timeout=None)


def migrate() -> list[str]:
    """Apply what is missing; the ids of the migrations applied, none when the schema is up to date."""
    backend = _Backend(parse_uri("mysql:///" + connections.database_name()), "_yoyo_migration")
    try:
        backend.init_database()
        with _lock(backend):
            missing = backend.to_apply(read_migrations(str(MIGRATIONS)))
            backend.apply_migrations(missing)
    finally:
        backend.connection.close()
    applied = [migration.id for migration in missing]
    logger.info("schema is up to date", extra={"applied": applied})
    return applied


@contextmanager
def _lock(backend: _Backend) -> Iterator[None]:
    """yoyo's lock is a row, which outlives a process that is killed. Only one migration runs at a time (the function's
    reserved concurrency is 1), so a lock that stays taken is a dead one's.
    """
    with ExitStack() as held:
        try:
            held.enter_context(backend.lock(timeout=LOCK_SECONDS))
        except LockTimeout:
            logger.warning("a migration was killed; its lock is broken")
            backend.break_lock()
            held.enter_context(backend.lock(timeout=LOCK_SECONDS))
        yield


def create_lanes() -> None:
    """A lane for each kind that has none, with its kind's limits."""
    with database.connection() as session:
        for kind in kinds().values():
            store.create_lane(session, kind.name, kind.max_concurrent, kind.max_queued)
