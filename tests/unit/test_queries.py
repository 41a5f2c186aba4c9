"""SQL by name: what may be chosen in a statement becomes a statement for each choice."""

from pathlib import Path
from typing import Any, cast

import pytest

from longhaul import queries
from longhaul.database import Session

SQL = """-- About all of them.

-- name: fetch_job^
SELECT '{id}' FROM jobs WHERE id = :id;

-- name: list_jobs
-- The newest, or the oldest.
-- choose: sort, index = made_at, by_time | rank, by_rank
-- choose: order, beyond = desc, < | asc, >
SELECT id FROM jobs FORCE INDEX ({index}) WHERE {sort} {beyond} :value ORDER BY {sort} {order};

-- name: count_jobs$
-- choose: which, fits = all, TRUE | open, ended IS NULL
SELECT COUNT(*) FROM jobs WHERE {fits};
"""


class Recorder:
    def __init__(self) -> None:
        self.ran: list[tuple[str, str, Any]] = []

    def read(self, name: str, sql: str, parameters: Any) -> Any:
        self.ran.append((name, sql, parameters))
        return self

    def fetchall(self) -> list[Any]:
        return []

    def fetchone(self) -> None:
        return None


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    (tmp_path / "queries.sql").write_text(SQL, encoding="utf-8")
    return queries.load(str(tmp_path / "store.py"))


def test_each_choice_is_a_statement_of_its_own() -> None:
    assert [name for name, _ in queries.statements(SQL)] == [
        "fetch_job",
        "list_jobs__made_at__desc",
        "list_jobs__made_at__asc",
        "list_jobs__rank__desc",
        "list_jobs__rank__asc",
        "count_jobs__all",
        "count_jobs__open",
    ]


def test_a_choice_is_made_by_name_and_the_rest_are_parameters(loaded: Any) -> None:
    recorder = Recorder()
    session = cast(Session, recorder)
    loaded.list_jobs(session, sort="rank", order="asc", value=7)
    loaded.count_jobs(session, which="open")
    loaded.fetch_job(session, id=3)
    assert [(name, sql.split("\n")[-1], parameters) for name, sql, parameters in recorder.ran] == [
        (
            "list_jobs__rank__asc",
            "SELECT id FROM jobs FORCE INDEX (by_rank) WHERE rank > %(value)s ORDER BY rank asc;",
            {"value": 7},
        ),
        ("count_jobs__open", "SELECT COUNT(*) FROM jobs WHERE ended IS NULL;", {}),
        ("fetch_job", "SELECT '{id}' FROM jobs WHERE id = %(id)s;", {"id": 3}),
    ]


@pytest.mark.parametrize("sort", ["title", "rank; DROP TABLE jobs", ""])
def test_nothing_else_can_be_chosen(loaded: Any, sort: str) -> None:
    with pytest.raises(AttributeError):
        loaded.list_jobs(None, sort=sort, order="asc", value=7)


def test_choices_of_different_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(queries.statements(SQL.replace("desc, <", "desc")))
