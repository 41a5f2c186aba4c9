"""SQL by name: each store has one `queries.sql` beside it, loaded with aiosql (https://nackjicholson.github.io/aiosql/).

-- name: fetch_task^      one row as a dict, or None
-- name: list_tasks       every row, a list of dicts
-- name: stop_task!       the number of rows changed
-- name: insert_events*!  many rows as one statement, from a list of dicts
-- name: count_tasks$     one value
"""

from functools import cache
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.pyformat import PyFormatAdapter

from longhaul.database import Parameters, Session


class SessionAdapter(PyFormatAdapter):
    """Runs aiosql's queries through a Session, so that each statement is known, timed and logged by its name."""

    def select(self, conn: Session, query_name: str, sql: str, parameters: Parameters, record_class: Any = None) -> Any:
        return list(conn.read(query_name, sql, parameters).fetchall())

    def select_one(
        self, conn: Session, query_name: str, sql: str, parameters: Parameters, record_class: Any = None
    ) -> Any:
        return conn.read(query_name, sql, parameters).fetchone()

    def select_value(self, conn: Session, query_name: str, sql: str, parameters: Parameters) -> Any:
        row = conn.read(query_name, sql, parameters).fetchone()
        return next(iter(row.values())) if row else None

    def insert_update_delete(self, conn: Session, query_name: str, sql: str, parameters: Parameters) -> int:
        return conn.run(query_name, sql, parameters).rowcount


def load(module_file: str) -> Any:
    """The queries of the `queries.sql` beside `module_file`; each takes a Session first, then named parameters."""
    return _load(Path(module_file).with_name("queries.sql"))


@cache
def _load(path: Path) -> Any:
    return aiosql.from_path(path, SessionAdapter, mandatory_parameters=False)
