"""The settings that our SQL needs of a database server, and the lock that one migration at a time holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from longhaul import database
from longhaul.database import Session, connections, queries
from longhaul.errors import PermanentError, TransientError

WAIT_SECONDS, LOOK_SECONDS = 60.0, 0.5  # for the lock, and between two looks at it
NAMES = ("transaction_isolation", "tx_isolation", "sql_mode", "character_set_database")
STRICT = {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"}
# Modes that change the meaning of a statement of ours, or a stored text.
WRONG_MODES = (
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "PIPES_AS_CONCAT",
    "PAD_CHAR_TO_FULL_LENGTH",
    "EMPTY_STRING_IS_NULL",
)

_queries = queries.load(__file__)


class ServerUnfit(PermanentError):
    """The database server's settings do not fit the schema."""

    code = "server_unfit"


class MigrationUnderWay(TransientError):
    """Another migration of this database is under way; try again when it has ended."""

    code = "migration_under_way"


def check(connection: Any) -> None:
    """Raises ServerUnfit, which names each wrong setting and the right one."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES WHERE Variable_name IN %s", (NAMES,))
        values = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
    if faults := list(_faults(values)):
        raise ServerUnfit(
            "the database server cannot be used as it is set up: " + "; ".join(faults) + ". Set this in the server's "
            "parameter group (or the proxy's initialisation query), then migrate again."
        )


def _faults(values: dict[str, str]) -> Iterator[str]:
    isolation = values.get("transaction_isolation") or values.get("tx_isolation", "")
    if isolation.upper() != "READ-COMMITTED":
        yield f"transaction_isolation is {isolation}, set READ-COMMITTED"
    modes = set(values.get("sql_mode", "").upper().split(","))
    if not modes & STRICT:
        yield "sql_mode is not strict, so a value that does not fit is cut in silence: add STRICT_TRANS_TABLES"
    for mode in WRONG_MODES:
        if mode in modes:
            yield f"sql_mode has {mode}, remove it"
    if (charset := values.get("character_set_database", "utf8mb4")) != "utf8mb4":
        yield f"the database's character set is {charset}, make utf8mb4 its default"


@contextmanager
def locked(*, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Holds the database's migration lock. Raises MigrationUnderWay when another holds it for a minute.

    The lock is a row of an open transaction. The server frees it at once when its holder dies, and nobody can break it
    before. (GET_LOCK would do on MySQL, but the embedded engine keeps it for ever when its holder dies.)
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with database.connection() as session:
        _make_lock(session)
    while True:
        with database.transaction() as tx:
            if _take_lock(tx):
                yield
                return
        if time.monotonic() > deadline:
            raise MigrationUnderWay(
                f"another migration of {connections.database_name()} has been under way for {WAIT_SECONDS:.0f} s; "
                "wait for its end (the server's process list has its statement), then migrate again"
            )
        sleep(LOOK_SECONDS)


def _make_lock(session: Session) -> None:
    """Inserts the lock's row unless it is there. An INSERT alone would wait for the holder of the lock."""
    if not _queries.count_locks(session):
        _queries.make_lock(session)


def _take_lock(tx: Session) -> bool:
    """Whether this transaction holds the lock now. False: another does."""
    return _queries.take_lock(tx) is not None
