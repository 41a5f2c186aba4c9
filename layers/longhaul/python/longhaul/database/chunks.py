"""Many rows in a few statements, each small enough for RDS Proxy to share connections.

A statement over 16 KB pins its session to one connection until it ends
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html). So rows go as JSON arrays, and values
of an IN as lists, of at most ROWS_BYTES as PyMySQL escapes them; a store runs its statement for each, in one
transaction.
A row that is larger by itself (a conversation, a task's params) still goes whole, and pins: it cannot be cut.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pymysql.converters import escape_string

STATEMENT_BYTES = 16 * 1024
ROWS_BYTES = 12 * 1024  # the rest is for the statement's own text and its other parameters


def chunks[R](rows: Iterable[R]) -> Iterator[list[R]]:
    """The rows in their order, as many at once as fit."""
    some: list[R] = []
    size = 0
    for row in rows:
        more = len(escape_string(dumps(row)).encode()) + len(", ")
        if some and size + more > ROWS_BYTES:
            yield some
            some, size = [], 0
        some.append(row)
        size += more
    if some:
        yield some


def arrays(rows: Iterable[Any]) -> Iterator[str]:
    """As `chunks`, each as JSON for JSON_TABLE."""
    return (dumps(some) for some in chunks(rows))


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def side_by_side[R](*columns: Sequence[R]) -> Iterator[tuple[list[R], ...]]:
    """Lists of the same length for several INs of one statement, all together no larger than one chunk."""
    for some in chunks(zip(*columns, strict=True)):
        yield tuple(list(column) for column in zip(*some, strict=True))
