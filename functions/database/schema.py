"""Brings the database's schema up to date by `migrations/*.sql`, in order, each once (yoyo keeps the record).

An empty database gets `baseline/*.sql` in place of the migrations up to its number. One migration runs at a time:
`server.locked`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import Cursor
from yoyo.backends.core.mysql import MySQLBackend
from yoyo.connections import parse_uri
from yoyo.migrations import Migration, MigrationList, read_migrations

from database import server
from longhaul import database
from longhaul.database import connections
from longhaul.observability import logger
from longhaul.tasks import lanes
from longhaul.tasks.kinds import kinds

DONE_ALREADY = (1060, 1061, 1091)  # MySQL's numbers for a column or a key that is there, or is gone
MIGRATIONS, BASELINE = Path(__file__).with_name("migrations"), Path(__file__).with_name("baseline")


class _Cursor(Cursor):
    """Passes over a statement that is done already, by a migration that was killed after it.

    MySQL 8 has no ADD COLUMN IF NOT EXISTS. An ALTER TABLE is done whole or not at all.
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

    @contextmanager
    def lock(self, timeout: float = 0) -> Iterator[None]:
        """Takes none: yoyo's lock is a row that outlives a killed process; ours is held already."""
        yield


def migrate() -> list[str]:
    """Applies the missing migrations and returns their ids.

    Raises ServerUnfit, MigrationUnderWay.
    """
    name = connections.database_name()
    backend = _Backend(parse_uri("mysql:///" + name), "_yoyo_migration")
    try:
        server.check(backend.connection)
        backend.init_database()
        with server.locked():
            applied = _apply(backend)
    finally:
        backend.connection.close()
    logger.info("schema is up to date", extra={"applied": applied})
    return applied


def _apply(backend: _Backend) -> list[str]:
    empty = all("yoyo" in table for table in backend.list_tables())
    migrations = read_migrations(str(MIGRATIONS))
    missing = backend.to_apply(migrations)
    (baseline,) = read_migrations(str(BASELINE))
    if empty or (backend.is_applied(baseline) and _covered(baseline, missing)):
        _begin(backend, baseline, _covered(baseline, missing))
    backend.apply_migrations(backend.to_apply(migrations))
    return [migration.id for migration in missing]


def _covered(baseline: Migration, migrations: MigrationList) -> list[Migration]:
    return [migration for migration in migrations if migration.id[:4] <= baseline.id[:4]]


def _begin(backend: _Backend, baseline: Migration, covered: list[Migration]) -> None:
    """Applies the baseline. It is noted first, so that the next run goes on with one that was killed.

    Its statements may run twice.
    """
    if not backend.is_applied(baseline):
        backend.mark_migrations([baseline])
    baseline.process_steps(backend, "apply")
    backend.mark_migrations(covered)


def create_lanes() -> None:
    """Creates a lane for each kind that has none, with its kind's limits."""
    with database.connection() as session:
        for kind in kinds().values():
            lanes.create_lane(session, kind.name, kind.max_concurrent, kind.max_queued)
