"""SQL by name: a `queries.sql` beside its store, loaded with aiosql (https://nackjicholson.github.io/aiosql/).

-- name: fetch_task^      one row as a dict, or None
-- name: list_tasks       every row, a list of dicts
-- name: stop_tasks!      the number of rows changed
-- name: count_tasks$     one value

What cannot be a parameter of a statement, such as a column to sort by, stands in it as `{sort}` and is given as one of
the `names`: `list_tasks(session, names={"sort": "created_at"}, limit=20)`. A name is a word, or `<` or `>`.

A condition that is off is left out: `AND (:any_title OR title LIKE :title)`, on a line of its own, is not sent when
`any_title` is true. An engine answers from an index alone only when no other column stands in the statement.
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
_CONDITION = re.compile(r"^ *AND \(%\((?P<off>any_\w+)\)s OR .*\)(?=;?$)", re.MULTILINE)
_QUERY = re.compile(r"^-- name: *(?P<name>\w+).*?(?=^-- name:|\Z)", re.MULTILINE | re.DOTALL)


class SessionAdapter(PyFormatAdapter):
    """Runs aiosql's queries through a Session, so that each statement is known, timed and logged by its name."""

    def select(self, conn: Session, query_name: str, sql: str, parameters: Parameters, record_class: Any = None) -> Any:
        sql, given = _prepared(sql, parameters)
        return list(conn.read(query_name, sql, given).fetchall())

    def select_one(
        self, conn: Session, query_name: str, sql: str, parameters: Parameters, record_class: Any = None
    ) -> Any:
        sql, given = _prepared(sql, parameters)
        return conn.read(query_name, sql, given).fetchone()

    def select_value(self, conn: Session, query_name: str, sql: str, parameters: Parameters) -> Any:
        sql, given = _prepared(sql, parameters)
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


def _prepared(sql: str, parameters: Parameters) -> tuple[str, Parameters]:
    """The statement with the `names` of the parameters in their places and no condition that is off, and the others.

    Raises ValueError for what is no name.
    """
    names: Mapping[str, str] = parameters.get("names") or {}
    for name in names.values():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name to stand in a statement")
    others = {key: value for key, value in parameters.items() if key != "names"}
    asked = _CONDITION.sub(lambda line: "" if parameters.get(line["off"]) is True else line[0], sql)
    return asked.format(**names) if names else asked, others
