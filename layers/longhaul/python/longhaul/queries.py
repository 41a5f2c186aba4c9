"""SQL by name: each store has one `queries.sql` beside it, loaded with aiosql (https://nackjicholson.github.io/aiosql/).

-- name: fetch_task^      one row as a dict, or None
-- name: list_tasks       every row, a list of dicts
-- name: stop_task!       the number of rows changed
-- name: insert_events*!  many rows as one statement, from a list of dicts
-- name: count_tasks$     one value

What cannot be a parameter of a statement, such as its order, is chosen among the texts that are written with it:

-- name: list_tasks
-- choose: order, beyond = desc, < | asc, >
SELECT ... WHERE id {beyond} :id ORDER BY id {order}

is two statements, and `list_tasks(session, order="desc", id=7)` runs the first. Nothing else can come to stand there.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.pyformat import PyFormatAdapter

from longhaul.database import Parameters, Session

_QUERY = re.compile(r"^-- name: *(?P<name>\w+)(?P<rest>.*?)(?=^-- name:|\Z)", re.MULTILINE | re.DOTALL)
_CHOICE = re.compile(r"^-- choose: *(?P<keys>[\w, ]+?) *= *(?P<texts>.+)\n", re.MULTILINE)


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


def statements(text: str) -> Iterator[tuple[str, str]]:
    """(name, text) of each statement of a `queries.sql`: a query that chooses is as many as it has choices."""
    for query in _QUERY.finditer(text):
        for chosen in itertools.product(*_choices(query["rest"])):
            name = "__".join([query["name"], *(next(iter(choice.values())) for choice in chosen)])
            statement = _CHOICE.sub("", query["rest"])
            for key, value in (pair for choice in chosen for pair in choice.items()):
                statement = statement.replace(f"{{{key}}}", value)
            yield name, f"-- name: {name}{statement}"


def _choices(text: str) -> list[list[dict[str, str]]]:
    """For each `-- choose:` the texts that may stand for its keys; it is known by the first of them."""
    return [
        [dict(zip(_split(found["keys"]), _split(texts), strict=True)) for texts in found["texts"].split("|")]
        for found in _CHOICE.finditer(text)
    ]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


@cache
def _load(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    written = "\n".join(statement for _, statement in statements(text))
    loaded = aiosql.from_str(written, SessionAdapter, mandatory_parameters=False)
    for query in _QUERY.finditer(text):
        if choices := _choices(query["rest"]):
            keys = [next(iter(choice[0])) for choice in choices]
            setattr(loaded, query["name"], partial(_run_chosen, loaded, query["name"], keys))
    return loaded


def _run_chosen(loaded: Any, name: str, keys: list[str], session: Session, **parameters: Any) -> Any:
    one: Callable[..., Any] = getattr(loaded, "__".join([name, *(parameters.pop(key) for key in keys)]))
    return one(session, **parameters)
