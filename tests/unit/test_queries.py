"""SQL by name, and the names that may stand in a statement."""

from pathlib import Path
from typing import Any, cast

import pytest

from longhaul.database import Session, queries

SQL = """-- About all of them.

-- name: fetch_job^
SELECT '{id}' FROM jobs WHERE id = :id;

-- name: list_jobs
-- The newest, or the oldest.
SELECT id FROM jobs FORCE INDEX ({index}) WHERE {sort} {beyond} :value ORDER BY {sort};

-- name: count_jobs$
SELECT COUNT(*) FROM jobs
WHERE tenant = :tenant
  AND (:any_name OR name LIKE :name)
  AND (:any_end OR (ended >= :ended_after AND ended < :ended_before));
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


def test_names_stand_in_the_statement_and_the_rest_are_parameters(loaded: Any) -> None:
    recorder = Recorder()
    session = cast(Session, recorder)
    loaded.list_jobs(session, names={"sort": "made_at", "beyond": "<", "index": "jobs_by_time"}, value=7)
    loaded.fetch_job(session, id=3)
    assert [(name, sql.split("\n")[-1], parameters) for name, sql, parameters in recorder.ran] == [
        (
            "list_jobs",
            "SELECT id FROM jobs FORCE INDEX (jobs_by_time) WHERE made_at < %(value)s ORDER BY made_at;",
            {"value": 7},
        ),
        ("fetch_job", "SELECT '{id}' FROM jobs WHERE id = %(id)s;", {"id": 3}),
    ]


def test_a_condition_that_is_off_is_left_out(loaded: Any) -> None:
    recorder = Recorder()
    for any_name, any_end in ((True, True), (True, False), (False, True)):
        loaded.count_jobs(cast(Session, recorder), tenant="acme", any_name=any_name, any_end=any_end)
    conditions = [[line.strip() for line in sql.split("\n")[2:] if line.strip(" ;")] for _, sql, _ in recorder.ran]
    assert conditions == [
        [],
        ["AND (%(any_end)s OR (ended >= %(ended_after)s AND ended < %(ended_before)s));"],
        ["AND (%(any_name)s OR name LIKE %(name)s)"],
    ]


@pytest.mark.parametrize("sort", ["rank; DROP TABLE jobs", "", "a b", "1=1", "rank)", "<>", "RANK"])
def test_what_is_no_name_stands_in_no_statement(loaded: Any, sort: str) -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="is no name"):
        loaded.list_jobs(cast(Session, recorder), names={"sort": sort, "beyond": "<", "index": "x"}, value=7)
    assert recorder.ran == []


def test_a_query_that_is_not_there_is_named(loaded: Any) -> None:
    with pytest.raises(AttributeError, match="no query is called drop_jobs"):
        loaded.drop_jobs(None)
