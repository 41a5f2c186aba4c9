"""SQL by name: a `queries.sql` beside its store, loaded with aiosql (https://nackjicholson.github.io/aiosql/).

-- name: fetch_task^      one row as a dict, or None
-- name: list_tasks       every row, a list of dicts
-- name: stop_tasks!      the number of rows changed
-- name: count_tasks$     one value

What cannot be a parameter of a statement, such as a column to sort by, stands in it as `{sort}` and is given as one of
the `names`: `list_tasks(session, names={"sort": "created_at"}, limit=20)`. A name is a word, or `<` or `>`.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.pyformat import PyFormatAdapter

from longhaul.database import Parameters, Session

_NAME = re.compile(r"[a-z_]+|[<>]")
_QUERY = re.compile(r"^-- name: *(?P<name>\w+).*?(?=^-- name:|\Z)", re.MULTILINE | re.DOTALL)


class SessionAdapter(PyFormatAdapter):
    """Runs aiosql's queries through a Session, so that each statement is known, timed and logged by its name."""

    def select(self, conn: Session, query_name: str, sql: str, parameters: Parameters, record_class: Any = None) -> Any:
        sql, given = _named(sql, parameters)
        return list(conn.read(query_name, sql, given).fetchall())

    def select_one(
        self, conn: Session, query_name: str, sql: str, parameters: Parameters, record_class: Any = None
    ) -> Any:
        return conn.read(query_name, sql, parameters).fetchone()

    def select_value(self, conn: Session, query_name: str, sql: str, parameters: Parameters) -> Any:
        sql, given = _named(sql, parameters)
        row = conn.read(query_name, sql, given).fetchone()
        return next(iter(row.values())) if row else None

    def insert_update_delete(self, conn: Session, query_name: str, sql: str, parameters: Parameters) -> int:
        return conn.run(query_name, sql, parameters).rowcount


def load(module_file: str) -> Any:
    """The queries of the `queries.sql` beside `module_file`; each takes a Session first, then named parameters."""
    return _load(Path(module_file).with_name("queries.sql"))


class Queries:
    """The queries of one file. Each is prepared when it first runs: preparing all of them costs a cold start 0.2 s."""

    def __init__(self, text: str) -> None:
        self._texts = {query["name"]: query[0] for query in _QUERY.finditer(text)}

    def __getattr__(self, name: str) -> Any:
        if name not in self._texts:
            raise AttributeError(f"no query is called {name}")
        query = getattr(aiosql.from_str(self._texts[name], SessionAdapter, mandatory_parameters=False), name)
        setattr(self, name, query)
        return query


@cache
def _load(path: Path) -> Queries:
    return Queries(path.read_text(encoding="utf-8"))


def _named(sql: str, parameters: Parameters) -> tuple[str, Parameters]:
    """The statement with the `names` of the parameters in their places, and the others.

    Raises ValueError for what is no name.
    """
    names: Mapping[str, str] = parameters.get("names") or {}
    for name in names.values():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name to stand in a statement")
    others = {key: value for key, value in parameters.items() if key != "names"}
    return sql.format(**names) if names else sql, others
