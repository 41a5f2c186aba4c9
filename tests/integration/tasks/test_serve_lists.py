"""The lists of serve_lists: filters, orders, pages and cursors, caching, conditional reads."""

import contextlib
import hashlib
import itertools
import json
import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

import pymysql
import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longhaul import cache
from longhaul import database as longhaul_database
from longhaul.aws import dynamodb
from longhaul.http import pages
from longhaul.http.cursors import InvalidCursor, seal
from longhaul.tasks import following, listing
from longhaul.tasks.filtering import TaskFilter
from longhaul.tasks.listing import Order, Place, Question, Sort
from longhaul.tasks.model import Status, Task
from tasks.page_answers import page_answer, place_of
from tasks.page_wire import PageQuery
from tasks.wire import TaskDocument, document
from tests.calling import sample
from tests.gateway import Api

type Sql = Callable[..., list[dict[str, Any]]]

LIST, SUMMARY, CURSOR, ACTIVE = (f"/api/v1/tasks{path}" for path in ("", "/summary", "/cursor", "/active"))
SUBMIT = {"kind": "hospital_province_refresh", "params": {"province": "广东省"}}
BEGIN = datetime(2026, 11, 20, 8)
KINDS = ("hospital_province_refresh", "hospital_full_refresh", "call_campaign")
PRIORITIES = ("low", "normal", "high", "urgent")
TURNS = int(os.environ.get("STALE_TURNS", "40"))  # more take longer, and show no more
COLUMNS = (
    "task_id, tenant_id, user_id, kind, title, params, status, priority, progress, max_retries, run_after, "
    "request_digest, created_at, updated_at"
)


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api()


def row(number: int, tenant_id: str = "acme") -> tuple[Any, ...]:
    """A task like no other of the first 24, but that several have the same values to sort by, and the same times."""
    created = BEGIN + timedelta(minutes=number // 2, microseconds=number // 2)
    return (
        f"{tenant_id}-{number:04}",
        tenant_id,
        "ada",
        KINDS[number % 3],
        f"任务 {number}",
        "{}",
        list(Status)[number % 6],
        number % 4,
        number * 7 % 5 * 20,
        3,
        created,
        "0" * 64,
        created,
        BEGIN + timedelta(minutes=number * 5 % 7),
    )


def insert(sql: Sql, numbers: Iterable[int], tenant_id: str = "acme") -> None:
    values = [row(number, tenant_id) for number in numbers]
    marks = ", ".join(["(" + ", ".join(["%s"] * 14) + ")"] * len(values))
    sql(f"INSERT INTO tasks ({COLUMNS}) VALUES {marks}", *itertools.chain.from_iterable(values))


def inserted(sql: Sql, number: int) -> list[dict[str, Any]]:
    """So many rows, as the table has them."""
    insert(sql, range(number))
    return sql("SELECT * FROM tasks ORDER BY id")


def ids(answer: Any) -> list[str]:
    return [item["task_id"] for item in answer["items"]]


def by(rows: list[dict[str, Any]], sort: str, order: str) -> list[str]:
    ordered = sorted(rows, key=lambda row: (row[sort], row["id"]), reverse=order == "desc")
    return [row["task_id"] for row in ordered]


def walk(api: Api, query: str, limit: int = 5) -> list[str]:
    """All pages by their cursors."""
    seen, cursor = [], ""
    while cursor is not None:
        page = api.get(CURSOR, f"{query}&limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        seen += ids(page)
        cursor = page["next_cursor"]
    return seen


@pytest.mark.parametrize(("sort", "order"), list(itertools.product(Sort, Order)))
def test_every_order_is_that_of_its_values_and_then_of_the_ids(api: Api, sql: Sql, sort: str, order: str) -> None:
    rows = inserted(sql, 24)
    insert(sql, range(3), "other")
    query = f"sort_by={sort}&sort_order={order}"
    wanted = by(rows, sort, order)
    assert walk(api, query) == wanted
    pages = [api.get(LIST, f"{query}&page_size=10&page={number}") for number in (1, 2, 3, 4)]
    assert [task_id for page in pages for task_id in ids(page)] == wanted
    assert {(page["total"], page["pages"]) for page in pages} == {(24, 3)}
    assert ids(api.get(SUMMARY, f"{query}&page_size=24")) == wanted


def test_lists_are_newest_first_unless_asked_otherwise(api: Api, sql: Sql) -> None:
    rows = inserted(sql, 8)
    assert ids(api.get(LIST)) == ids(api.get(SUMMARY)) == walk(api, "") == by(rows, "created_at", "desc")


def analyse(sql: Sql) -> None:
    """Let the planner see the rows as they are. It counts values that were overwritten until they are purged."""
    with contextlib.suppress(pymysql.OperationalError):  # MySQL cannot wait for that
        sql("SET GLOBAL innodb_max_purge_lag_wait = 0")
    sql("ANALYZE TABLE tasks")


@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="the embedded engine does not count what it reads")
@pytest.mark.parametrize(("sort", "order"), list(itertools.product(Sort, Order)))
def test_a_page_reads_no_more_rows_the_deeper_it_is(api: Api, sql: Sql, sort: Sort, order: Order) -> None:
    """Also among equal values, which half of these have, and where most of the table is one tenant's."""
    insert(sql, range(2_000))
    insert(sql, range(1_000), "other")
    sql("UPDATE tasks SET priority = 1, progress = 100, updated_at = created_at WHERE id %% 2 = 0")
    analyse(sql)
    rows = sql(f"SELECT id, {sort} AS value FROM tasks WHERE tenant_id = 'acme' ORDER BY {sort} {order}, id {order}")
    for place in (None, *(Place(rows[at]["value"], rows[at]["id"]) for at in (700, 1_000, 1_300))):
        with longhaul_database.connection() as session:
            before, question = reads(session), Question("acme", sort=sort, order=order)
            tasks, _ = listing.list_tasks(session, question, question.ordered, limit=20, after=place)
            assert len(tasks) == 20
            assert reads(session) - before < 300


@pytest.fixture(params=[0, listing.FEW], ids=["many", "few"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a filter leaves few tasks, which are sorted, or many, which are met in an order."""
    monkeypatch.setattr(listing, "FEW", request.param)


def reads(session: longhaul_database.Session) -> int:
    """The rows and index entries that the server has read for this connection."""
    rows = session.run("status", "SHOW SESSION STATUS LIKE 'Handler_read%%'", {}).fetchall()
    return sum(int(row["Value"]) for row in rows)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("status=PENDING", lambda n: n % 6 == 0),
        ("status=PENDING,FAILED&status=PAUSED", lambda n: n % 6 in (0, 2, 4)),
        ("kind=call_campaign", lambda n: n % 3 == 2),
        ("kind=call_campaign,hospital_full_refresh", lambda n: n % 3 in (1, 2)),
        ("priority=urgent&priority=low", lambda n: n % 4 in (0, 3)),
        ("created_after=2026-11-20T08:05:00.000005Z", lambda n: n // 2 >= 5),
        ("created_after=2026-11-20T16:05:00.000005%2B08:00", lambda n: n // 2 >= 5),
        ("created_before=2026-11-20T08:05:00.000005Z", lambda n: n // 2 < 5),
        ("created_after=2026-11-20T08:05:00.000006Z", lambda n: n // 2 > 5),
        ("created_after=2026-11-20T08:02:00Z&created_before=2026-11-20T08:04:00Z", lambda n: n // 2 in (2, 3)),
        ("created_after=9999-12-31T00:00:00Z", lambda n: False),
        (f"title={quote('任务 1')}", lambda n: str(n).startswith("1")),
        (f"title={quote('3')}", lambda n: "3" in str(n)),
        ("title=%25", lambda n: False),
        ("title=_", lambda n: False),
        ("title=!", lambda n: False),
        ("status=RUNNING&kind=hospital_full_refresh&priority=normal", lambda n: n % 12 == 1),
    ],
)
def test_a_filter_selects(api: Api, sql: Sql, query: str, chosen: Callable[[int], bool]) -> None:
    rows = inserted(sql, 24)
    wanted = by([row for number, row in enumerate(rows) if chosen(number)], "created_at", "desc")
    page = api.get(LIST, f"{query}&page_size=24")
    assert (ids(page), page["total"]) == (wanted, len(wanted))
    assert walk(api, query, limit=3) == wanted


def end(sql: Sql) -> None:
    """What has ended did so a minute after it was created."""
    sql(
        "UPDATE tasks SET finished_at = TIMESTAMPADD(MINUTE, 1, created_at), updated_at = finished_at"
        " WHERE status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')"
    )


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("ended_after=2026-11-20T08:08:00.000007Z", lambda n: n // 2 >= 7),
        ("ended_after=2026-11-20T16:08:00.000007%2B08:00", lambda n: n // 2 >= 7),
        ("ended_after=2026-11-20T08:08:00.000008Z", lambda n: n // 2 >= 8),
        ("ended_before=2026-11-20T08:08:00.000007Z", lambda n: n // 2 < 7),
        ("ended_before=2026-11-20T08:08:00.000008Z", lambda n: n // 2 <= 7),
        ("ended_after=2026-11-20T08:03:00Z&ended_before=2026-11-20T08:09:00Z", lambda n: 2 <= n // 2 < 8),
        ("ended_after=2026-11-20T08:03:00Z&status=FAILED,PENDING", lambda n: n // 2 >= 2 and n % 6 == 4),
        ("ended_before=2026-11-20T08:09:00Z&status=PENDING", lambda n: False),
        ("ended_after=9999-12-31T00:00:00Z", lambda n: False),
        (f"ended_after=2026-11-20T08:03:00Z&title={quote('1')}", lambda n: n // 2 >= 2 and "1" in str(n)),
    ],
)
def test_tasks_are_found_by_when_they_ended(api: Api, sql: Sql, query: str, chosen: Callable[[int], bool]) -> None:
    insert(sql, range(24))
    insert(sql, range(24), "other")
    end(sql)
    rows = sql("SELECT * FROM tasks WHERE tenant_id = 'acme' ORDER BY id")
    found = [row for number, row in enumerate(rows) if number % 6 > 2 and chosen(number)]
    for sort, order in (("created_at", "desc"), ("updated_at", "asc"), ("priority", "desc")):
        wanted, asked = by(found, sort, order), f"{query}&sort_by={sort}&sort_order={order}"
        page = api.get(LIST, f"{asked}&page_size=24")
        assert (ids(page), page["total"]) == (wanted, len(wanted))
        assert walk(api, asked, limit=4) == wanted


@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="the embedded engine does not count what it reads")
@pytest.mark.parametrize(("sort", "order"), [(Sort.created_at, Order.desc), (Sort.priority, Order.asc)])
def test_what_ended_lately_is_found_without_reading_what_ended_before(
    api: Api, sql: Sql, sort: Sort, order: Order
) -> None:
    insert(sql, range(2_000))
    end(sql)
    analyse(sql)
    filters = TaskFilter.model_construct(ended_after=(BEGIN + timedelta(minutes=990)).replace(tzinfo=UTC))
    with longhaul_database.connection() as session:
        before = reads(session)
        question = Question("acme", filters, sort, order)
        index = listing.find_index(session, question) or question.ordered
        tasks, _ = listing.list_tasks(session, question, index, limit=20)
        assert len(tasks) == listing.count_tasks(session, question, index).number == 11
        assert reads(session) - before < 300


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("error_code=bad_answer", lambda n: n % 12 == 4),
        ("error_code=bad_answer,no_answer", lambda n: n % 6 == 4),
        ("error_code=bad_answer&error_code=gone", lambda n: n % 12 == 4),
        ("error_code=gone", lambda n: False),
        ("error_code=!bad_answer", lambda n: n % 12 == 10),
        ("error_code=!bad_answer,no_answer", lambda n: n % 12 == 10),
        ("error_code=!bad_answer,!no_answer", lambda n: False),
        ("error_code=bad_answer,!bad_answer", lambda n: False),
        ("error_code=bad_answer&status=SUCCEEDED", lambda n: False),
        ("error_code=bad_answer&ended_after=2026-11-20T08:03:00Z", lambda n: n % 12 == 4 and n // 2 >= 2),
    ],
)
def test_tasks_are_found_by_the_code_of_their_error(
    api: Api, sql: Sql, query: str, chosen: Callable[[int], bool]
) -> None:
    insert(sql, range(36))
    insert(sql, range(36), "other")
    end(sql)
    sql(
        "UPDATE tasks SET error_code = IF(MOD(SUBSTRING(title, 4), 12) = 4, 'bad_answer', 'no_answer')"
        " WHERE status = 'FAILED'"
    )
    rows = sql("SELECT * FROM tasks WHERE tenant_id = 'acme' ORDER BY id")
    found = [row for number, row in enumerate(rows) if chosen(number)]
    for sort, order in (("created_at", "desc"), ("created_at", "asc"), ("updated_at", "desc"), ("progress", "asc")):
        wanted, asked = by(found, sort, order), f"{query}&sort_by={sort}&sort_order={order}"
        page = api.get(LIST, f"{asked}&page_size=36")
        assert (ids(page), page["total"]) == (wanted, len(wanted))
        assert walk(api, asked, limit=2) == wanted


@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="the embedded engine does not count what it reads")
@pytest.mark.parametrize(("codes", "number"), [(["bad_answer"], 11), (["!bad_answer"], 5), (["gone"], 0)])
def test_tasks_of_an_error_are_found_without_reading_the_others(sql: Sql, codes: list[str], number: int) -> None:
    insert(sql, range(2_000))
    end(sql)
    sql("UPDATE tasks SET error_code = 'bad_answer' WHERE status = 'FAILED' ORDER BY id LIMIT 11")
    sql("UPDATE tasks SET error_code = 'no_answer' WHERE status = 'FAILED' ORDER BY id DESC LIMIT 5")
    analyse(sql)
    question = Question("acme", TaskFilter.model_construct(error_code=codes))
    with longhaul_database.connection() as session:
        before = reads(session)
        index = listing.find_index(session, question) or question.ordered
        tasks, _ = listing.list_tasks(session, question, index, limit=20)
        assert len(tasks) == listing.count_tasks(session, question, index).number == number
        assert reads(session) - before < 250


@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="the embedded engine does not count what it reads")
@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize(
    "query",
    [
        {"kind": ["rare"]},
        {"kind": ["rare"], "status": [Status.CANCELLED]},
        {"status": [Status.CANCELLED]},
        {"status": [Status.CANCELLED, Status.RUNNING]},
        {"priority": ["urgent"]},
        {"kind": ["common"], "priority": ["urgent"]},
        {"error_code": ["rare"], "status": [Status.CANCELLED]},
        {"created_after": (BEGIN + timedelta(minutes=994)).replace(tzinfo=UTC)},
    ],
)
def test_the_few_that_match_are_found_without_reading_the_others(sql: Sql, query: dict[str, Any], sort: Sort) -> None:
    insert(sql, range(2_000))
    sql("UPDATE tasks SET kind = 'common', status = 'SUCCEEDED', priority = 1, error_code = NULL")
    sql(
        "UPDATE tasks SET kind = IF(id %% 2, 'rare', kind), status = 'CANCELLED', priority = 3, error_code = 'rare'"
        " ORDER BY id DESC LIMIT 11"
    )
    analyse(sql)
    question = Question("acme", TaskFilter.model_construct(**query), sort, Order.asc)
    with longhaul_database.connection() as session:
        before = reads(session)
        index = listing.find_index(session, question)
        assert index
        assert 0 < len(listing.list_tasks(session, question, index, limit=20)[0]) < 13
        counted = 2_010 if question.filter.kind == ["common"] else 0  # found, and added up, until they are no more few
        assert reads(session) - before < 250 + counted


@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="the embedded engine does not count what it reads")
def test_tasks_of_a_status_are_counted_without_reading_the_others(sql: Sql) -> None:
    # GIVEN 2,000 tasks that ended, of which a few failed
    insert(sql, range(2_000))
    end(sql)
    sql("UPDATE tasks SET status = 'SUCCEEDED'")
    sql("UPDATE tasks SET status = 'FAILED' ORDER BY id LIMIT 11")
    analyse(sql)

    # WHEN they are counted THEN only they are read
    failed = TaskFilter.model_construct(status=[Status.FAILED])
    with longhaul_database.connection() as session:
        before = reads(session)
        question = Question("acme", failed)
        assert listing.count_tasks(session, question, question.counted) == (11, False)
        assert reads(session) - before < 100


def test_a_cursor_from_before_there_was_a_filter_is_good(database: dict[str, Any]) -> None:
    failed = TaskFilter.model_construct(status=[Status.FAILED])
    # As it was written before tasks could be found by when they ended.
    text = (
        "Question(tenant_id='acme', filters=Filters(statuses=(<Status.FAILED: 'FAILED'>,), kinds=(), priorities=(), "
        "created_after=None, created_before=None, title=None), sort=<Sort.created_at: 'created_at'>, "
        "order=<Order.desc: 'desc'>)"
    )
    cursor = seal({"of": hashlib.sha256(text.encode()).hexdigest()[:16], "after": ["2026-11-20T08:00:00", 7]})
    assert place_of(Question("acme", failed), cursor) == Place(BEGIN, 7)
    ended = failed.model_copy(update={"ended_after": datetime.now(UTC)})
    with pytest.raises(InvalidCursor):
        place_of(Question("acme", ended), cursor)


@pytest.mark.parametrize(("sort", "order"), [("created_at", "desc"), ("created_at", "asc"), ("priority", "desc")])
def test_text_in_titles_is_looked_for_in_so_many_tasks_at_a_time(
    api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch, sort: str, order: str
) -> None:
    # GIVEN more tasks than one request looks at
    monkeypatch.setattr(listing, "MAX_SEARCHED", 10)
    insert(sql, range(36))
    insert(sql, range(36), "other")
    rows = sql("SELECT * FROM tasks WHERE tenant_id = 'acme'")
    every = by(rows, sort, order)
    wanted = by([row for row in rows if "3" in row["title"]], sort, order)
    asked = f"title=3&sort_by={sort}&sort_order={order}"

    # WHEN a text is looked for THEN the answer tells of the first ones, and that there may be more
    page = api.get(LIST, f"{asked}&page_size=36")
    assert ids(page) == [task for task in every[:10] if task in wanted]
    assert (page["total"], page["more"], page["pages"]) == (len(page["items"]), True, min(1, len(page["items"])))

    # AND cursors lead to all, past pages that are short or empty
    found = ids(page)
    while page["next_cursor"]:
        page = api.get(LIST, f"{asked}&page_size=36&cursor={page['next_cursor']}")
        found += ids(page)
    assert found == wanted
    assert walk(api, asked, limit=2) == wanted
    few = api.get(LIST, f"{asked}&page_size=36&kind=role_creation")
    assert (few["total"], few["more"], few["next_cursor"]) == (0, False, None)


def test_signs_that_a_pattern_knows_are_signs_like_others_in_a_title(api: Api, sql: Sql) -> None:
    insert(sql, range(6))
    for number, title in enumerate(("100%", "100", "a_b", "a!b", r"a\b", "Größe, klein")):
        sql("UPDATE tasks SET title = %s WHERE task_id = %s", title, f"acme-{number:04}")
    for text, found in (("%", [0]), ("_", [2]), ("!", [3]), ("\\", [4]), ("0%", [0]), ("e, k", [5]), ("100", [1, 0])):
        assert ids(api.get(LIST, f"title={quote(text)}")) == [f"acme-{number:04}" for number in found]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("sort_by=title", "query/sort_by"),
        ("sort_order=up", "query/sort_order"),
        ("priority=asap", "query/priority/0"),
        ("created_after=yesterday", "query/created_after"),
        ("created_after=1795557852", "query/created_after"),
        ("created_after=2026-11-25T08:00:00", "query/created_after"),
        ("created_before=2026-11-25T08:00:00+08:00", "query/created_before"),
        ("created_before=0001-01-01T00:00:00%2B14:00", "query/created_before"),
        ("ended_after=yesterday", "query/ended_after"),
        ("error_code=bad answer", "query/error_code/0"),
        ("ended_before=2026-11-25T08:00:00", "query/ended_before"),
        ("title=", "query/title"),
        (f"title={'x' * 101}", "query/title"),
        (f"kind={'x' * 65}", "query/kind/0"),
        ("kind=" + ",".join(f"k{number}" for number in range(51)), "query/kind"),
        ("kind=hospital_full_refresh,no_such", "query/kind"),
        ("sort_by=progress&sort_by=priority", "query/sort_by"),
        ("colour=red", "query/colour"),
    ],
)
def test_a_wrong_parameter_is_named(api: Api, query: str, pointer: str) -> None:
    for path in (LIST, SUMMARY, CURSOR):
        status, problem, _ = api("GET", path, None, query)
        assert (status, [error["pointer"] for error in problem["errors"]]) == (400, [pointer])


def test_a_kind_that_there_is_not_is_told_which_there_are(api: Api, sql: Sql) -> None:
    """Nothing would match it, and an empty list looks as if all were well."""
    refused = api("GET", CURSOR, None, "kind=hospital_refresh")
    assert (refused.status, refused.body["code"]) == (400, "unknown_kind")
    assert "hospital_full_refresh, hospital_province_refresh" in refused.body["errors"][0]["detail"]

    # AND tasks of a workload that is not deployed any more are found: its lane is still there
    sql("INSERT INTO lanes (kind, max_concurrent, max_queued) VALUES ('removed', 1, 1)")
    insert(sql, [1])
    sql("UPDATE tasks SET kind = 'removed'")
    assert len(api.get(CURSOR, "kind=removed")["items"]) == 1
    sql("DELETE FROM lanes WHERE kind = 'removed'")


@pytest.mark.parametrize("query", ["limit=0", "limit=1_0", "limit=1001", "cursor=", "cursor=" + "x" * 1001, "page=2"])
def test_a_wrong_page_of_a_cursor_is_refused(api: Api, query: str) -> None:
    assert api("GET", CURSOR, None, query).status == 400


def test_a_summary_has_the_small_fields_of_the_task(api: Api, sql: Sql) -> None:
    insert(sql, [5])
    (item,), (whole,) = api.get(SUMMARY)["items"], api.get(LIST)["items"]
    assert set(item) == {
        "task_id", "kind", "title", "status", "priority", "progress", "created_at", "updated_at"
    }  # fmt: skip
    assert item == {name: whole[name] for name in item}
    assert (item["priority"], item["status"], item["created_at"]) == ("normal", "CANCELLED", "2026-11-20T08:02:00.000Z")


def test_active_tasks_are_those_that_have_not_ended(api: Api, sql: Sql) -> None:
    rows = inserted(sql, 24)
    active = [row for row in rows if row["status"] in ("PENDING", "RUNNING", "PAUSED")]
    assert ids(api.get(ACTIVE)) == by(active, "created_at", "desc")
    assert api.get(ACTIVE)["more"] is False


@pytest.mark.parametrize(("limit", "more"), [(11, True), (12, False)])
def test_active_tasks_say_when_they_are_not_all(
    api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch, limit: int, more: bool
) -> None:
    monkeypatch.setattr(listing, "MAX_ACTIVE", limit)
    insert(sql, range(24))
    answer = api.get(ACTIVE)
    assert (len(answer["items"]), answer["more"]) == (limit, more)


# ------------------------------------------------------------------------------------------------------------ cursors


def test_a_cursor_is_good_for_its_own_question_only(api: Api, sql: Sql) -> None:
    insert(sql, range(12))
    cursor = api.get(CURSOR, "status=PENDING,RUNNING&limit=1")["next_cursor"]
    same = api.get(CURSOR, f"limit=3&status=RUNNING&status=PENDING&cursor={cursor}")  # another size, the same question
    assert ids(same) == ["acme-0006", "acme-0001", "acme-0000"]
    for query in (
        "status=PENDING",
        "status=PENDING,RUNNING&sort_order=asc",
        "status=PENDING,RUNNING&sort_by=updated_at",
        "status=PENDING,RUNNING&title=x",
        "status=PENDING,RUNNING&created_after=2026-01-01T00:00:00Z",
        "",
    ):
        status, problem, _ = api("GET", CURSOR, None, f"{query}&cursor={cursor}")
        assert (status, problem["code"]) == (400, "invalid_cursor")
    other = Api("other")("GET", CURSOR, None, f"status=PENDING,RUNNING&cursor={cursor}")
    assert (other.status, other.body["code"]) == (400, "invalid_cursor")
    for forged in (cursor[:-4], cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), "x", "!!"):
        assert api("GET", CURSOR, None, f"status=PENDING,RUNNING&cursor={forged}").body["code"] == "invalid_cursor"


class Traffic:
    """Adds a task and changes another between two pages of a list."""

    def __init__(self, sql: Sql, chance: random.Random, sort: Sort) -> None:
        self.sql, self.chance, self.sort = sql, chance, sort
        self.there = [row["task_id"] for row in inserted(sql, 9)]
        self.added = itertools.count(9)
        self.moved = set[str]()

    def goes_on(self) -> None:
        insert(self.sql, [next(self.added)], self.chance.choice(("acme", "other")))
        some, values = self.chance.choice(self.there), dict[str, Any](status=self.chance.choice(list(Status)).value)
        if self.sort != Sort.created_at:
            self.moved.add(some)
            values[self.sort] = {
                Sort.priority: self.chance.randrange(4),
                Sort.progress: self.chance.randrange(101),
                Sort.updated_at: BEGIN + timedelta(minutes=self.chance.randrange(9)),
            }[self.sort]
        changes = ", ".join(f"{name} = %s" for name in values)
        self.sql(f"UPDATE tasks SET {changes} WHERE task_id = %s", *values.values(), some)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    chance=st.randoms(use_true_random=False),
    sort=st.sampled_from(Sort),
    order=st.sampled_from(Order),
    limit=st.integers(1, 6),
)
def test_pages_are_stable_while_tasks_are_added_and_changed(
    database: dict[str, Any], sql: Sql, chance: random.Random, sort: Sort, order: Order, limit: int
) -> None:
    """By a value that never changes, nothing comes twice and nothing that was there is missed; by one that does change,
    this holds for the tasks whose value did not."""
    sql("DELETE FROM tasks")
    traffic, question = Traffic(sql, chance, sort), Question("acme", sort=sort, order=order)
    tasks, after = listing.find_after(question, None, limit)
    seen = [task.task_id for task in tasks]
    while after:
        traffic.goes_on()
        tasks, after = listing.find_after(question, after, limit)
        seen += [task.task_id for task in tasks]
    still = [task_id for task_id in seen if task_id not in traffic.moved]
    assert len(still) == len(set(still)), "a task came twice"
    assert set(traffic.there) - traffic.moved <= set(still), "a task was missed"


class Fresh(Api):
    """Reads past the cache, as one must who writes rows by hand."""

    def __call__(self, *asked: Any, **headers: str) -> Any:
        return super().__call__(*asked, **{"cache_control": "no-cache", **headers})


# -------------------------------------------------------------------------------------------------- steps and history


@pytest.fixture
def stepped(running_task: Callable[..., Task], sql: Sql) -> Task:
    task = running_task()
    for number in range(9):
        sql(
            "INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, units, error_code,"
            " error_message, created_at, finished_at) VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s, %s, %s)",
            *(
                task.task_id,
                f"{('city', 'district')[number % 2]}/{number}",
                ("city", "district")[number % 2],
                f"区{number}",
            ),
            *(
                ("SUCCEEDED", "FAILED", "PENDING")[number % 3],
                number,
                *(("bad", "no") if number % 3 == 1 else (None, None)),
            ),
            *(BEGIN, None if number % 3 == 2 else BEGIN + timedelta(seconds=number)),
        )
    return task


def test_steps_come_by_key_and_are_filtered(api: Api, stepped: Task) -> None:
    place = f"/api/v1/tasks/{quote(stepped.task_id)}/steps"
    everything = [f"city/{n}" for n in (0, 2, 4, 6, 8)] + [f"district/{n}" for n in (1, 3, 5, 7)]
    assert [step["key"] for step in api.get(place)["items"]] == everything
    seen, query = [], ""
    while query is not None:
        page = api.get(place, f"limit=2{query}")
        seen += [step["key"] for step in page["items"]]
        query = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == everything
    assert [s["key"] for s in api.get(place, "level=city&status=SUCCEEDED")["items"]] == ["city/0", "city/6"]
    assert [s["key"] for s in api.get(place, "status=FAILED")["items"]] == ["city/4", "district/1", "district/7"]
    assert api.get(place, "level=province") == {"items": [], "next_cursor": None}
    assert api.get(place, "status=FAILED&level=city")["items"] == [
        {
            "key": "city/4", "level": "city", "label": "区4", "status": "FAILED", "attempt": 1, "attempts": 0,
            "units": 4, "error": {"code": "bad", "message": "no"},
            "created_at": "2026-11-20T08:00:00.000Z", "started_at": None,
            "finished_at": "2026-11-20T08:00:04.000Z", "duration_seconds": None,
        }
    ]  # fmt: skip
    cursor = api.get(place, "limit=2")["next_cursor"]
    assert api("GET", place, None, f"status=FAILED&cursor={cursor}").body["code"] == "invalid_cursor"
    assert api("GET", place.replace("steps", "events"), None, f"cursor={cursor}").body["code"] == "invalid_cursor"
    assert api.get(place, "status=RUNNING")["items"] == []
    assert api("GET", place, None, "status=PAUSED").status == 400


def test_the_history_comes_oldest_first(api: Api, running_task: Callable[..., Task]) -> None:
    task = running_task()
    place = f"/api/v1/tasks/{quote(task.task_id)}"
    for action in ("pause", "resume", "cancel"):
        api("POST", f"{place}/{action}")
    whole = api.get(f"{place}/events")
    told = [(item["event"], item["status"], item["attempt"], item["detail"]) for item in whole["items"]]
    assert told == [
        ("started", "RUNNING", 1, {}),
        ("paused", "PAUSED", 1, {"reason": "a caller paused it"}),
        ("resumed", "PENDING", 1, {"reason": "a caller resumed it"}),
        ("cancelled", "CANCELLED", 1, {"reason": "a caller cancelled it"}),
    ]
    first = api.get(f"{place}/events", "limit=3")
    rest = api.get(f"{place}/events", f"limit=3&cursor={first['next_cursor']}")
    assert (first["items"] + rest["items"], rest["next_cursor"]) == (whole["items"], None)


def test_steps_and_history_of_a_task_that_is_not_there_are_not_there(api: Api, stepped: Task) -> None:
    for path in ("steps", "events"):
        for reader, task_id in (
            (Api("other"), stepped.task_id),
            (api, "x"),
            (api, f"{stepped.task_id} "),
        ):
            status, problem, _ = reader("GET", f"/api/v1/tasks/{quote(task_id)}/{path}")
            assert (status, problem["code"]) == (404, "not_found")


# ------------------------------------------------------------------------------------------ caching, conditional reads


@pytest.mark.parametrize("path", [LIST, SUMMARY, CURSOR, ACTIVE, "events"])
def test_a_list_that_has_not_changed_is_304_without_the_database(
    api: Api, statements: list[str], running_task: Callable[..., Task], path: str
) -> None:
    task = running_task()
    place = path if path.startswith("/") else f"/api/v1/tasks/{quote(task.task_id)}/{path}"
    first = api("GET", place)
    assert {"ETag", "Last-Modified", "Cache-Control"} <= first.headers.keys()
    statements.clear()
    again = api("GET", place, if_none_match=first.headers["ETag"])
    assert (again.status, again.body, again.headers["ETag"]) == (304, None, first.headers["ETag"])
    assert api("GET", place).body == first.body
    assert statements == [], "a hit asks the database nothing"
    # WHEN the task changes, THEN so does the list, at once
    api("POST", f"/api/v1/tasks/{quote(task.task_id)}/cancel")
    changed = api("GET", place, if_none_match=first.headers["ETag"])
    assert (changed.status, changed.headers["ETag"] != first.headers["ETag"]) == (200, True)


def test_a_date_tells_two_versions_apart_though_they_are_of_one_second(api: Api) -> None:
    """What is only just read is told as two seconds older: a date of HTTP's may not vouch for it."""
    task_id = api("POST", LIST, SUBMIT).body["task_id"]
    for path in (LIST, f"/api/v1/tasks/{quote(task_id)}"):
        before = api("GET", path)
        api("POST", f"/api/v1/tasks/{quote(task_id)}/cancel")
        since = before.headers["Last-Modified"]
        assert api("GET", path, if_modified_since=since).status == 200


def test_rows_written_by_hand_are_seen_by_who_asks_for_it_and_then_by_all(api: Api, sql: Sql) -> None:
    task_id = api("POST", LIST, SUBMIT).body["task_id"]
    place = f"/api/v1/tasks/{quote(task_id)}"
    assert (api.get(place)["title"], api.get(LIST)["items"][0]["title"]) == ("广东省刷新", "广东省刷新")
    sql("UPDATE tasks SET title = 'by hand'")
    assert api.get(place)["title"] == "广东省刷新", "nobody told the cache"
    fresh = Fresh()
    assert (fresh.get(place)["title"], fresh.get(LIST)["items"][0]["title"]) == ("by hand", "by hand")
    assert (api.get(place)["title"], api.get(LIST)["items"][0]["title"]) == ("by hand", "by hand")


def test_pages_link_to_the_next(api: Api, sql: Sql) -> None:
    insert(sql, range(7))
    for path, query in ((LIST, "status=PENDING,RUNNING&sort_order=asc&page_size=2"), (CURSOR, "limit=3")):
        seen, answer = [], api("GET", path, None, query)
        seen += ids(answer.body)
        while "Link" in answer.headers:
            target, relation = answer.headers["Link"].split("; ")
            assert relation == 'rel="next"'
            answer = api("GET", path, None, target.strip("<>").split("?")[1])
            seen += ids(answer.body)
        assert len(seen) == len(set(seen)) == (3 if path == LIST else 7)


@pytest.mark.parametrize("path", [LIST, SUMMARY])
@pytest.mark.parametrize(("bound", "total", "more"), [(4, 4, True), (8, 8, True), (9, 9, False), (10, 9, False)])
def test_a_total_is_counted_to_a_bound_and_the_pages_go_on_behind_it(
    api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch, path: str, bound: int, total: int, more: bool
) -> None:
    monkeypatch.setattr(listing, "MAX_COUNTED", bound)
    insert(sql, range(9))
    pages = [api.get(path, f"page={number}&page_size=3") for number in (1, 2, 3, 4)]
    assert {(page["total"], page["more"]) for page in pages} == {(total, more)}
    assert [len(page["items"]) for page in pages] == [3, 3, 3, 0]
    assert pages[0]["pages"] == -(-total // 3)


@pytest.mark.parametrize("path", [LIST, SUMMARY])
@pytest.mark.parametrize(
    "query", ["", "status=PENDING,RUNNING", "sort_by=progress&sort_order=asc", "sort_by=updated_at"]
)
def test_numbered_pages_go_on_by_cursor_where_numbers_end(
    api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch, path: str, query: str
) -> None:
    monkeypatch.setattr(pages, "MAX_OFFSET", 2)
    insert(sql, range(9))
    whole = api.get(path, f"{query}&page_size=100")
    answer = api("GET", path, None, f"{query}&page_size=2")
    assert answer.body["pages"] == 2
    walked, addresses = ids(answer.body), []
    while "Link" in answer.headers:
        addresses.append(answer.headers["Link"].split(">")[0].split("?")[1])
        answer = api("GET", path, None, addresses[-1])
        walked += ids(answer.body)
    assert (walked, answer.body["next_cursor"]) == (ids(whole), None)
    assert ["cursor=" in address for address in addresses[:2]] == [False, True][: len(addresses)]
    other = api("GET", path, None, f"title=x&{addresses[-1]}") if len(addresses) > 1 else None
    assert other is None or (other.status, other.body["code"]) == (400, "invalid_cursor")


def test_long_lists_are_compressed_when_asked(api: Api, sql: Sql) -> None:
    insert(sql, range(20))
    packed = api("GET", LIST, accept_encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.body == api.get(LIST)


def test_without_dynamodb_lists_are_the_same(
    api: Api, sql: Sql, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(sql, range(9))
    task = api.get(LIST)["items"][3]
    with_cache = [
        api.get(path, "page_size=4" if path in (LIST, SUMMARY) else "") for path in (LIST, SUMMARY, CURSOR, ACTIVE)
    ]
    monkeypatch.setattr(cache, "_table", lambda: "no-such-table")
    monkeypatch.setattr(dynamodb._Memory, "rests", {})
    without = [
        api.get(path, "page_size=4" if path in (LIST, SUMMARY) else "") for path in (LIST, SUMMARY, CURSOR, ACTIVE)
    ]
    assert without == with_cache
    assert api.get(f"/api/v1/tasks/{task['task_id']}")["progress"] == task["progress"]
    assert "cache not read" in warnings
    dynamodb._Memory.rests.clear()


def test_nothing_is_stale_after_a_write_of_the_tenants_own(api: Api) -> None:
    """Write, then read what the write must show, while others read and so fill the cache."""
    chance, newest = random.Random(7), ""
    shapes = [(LIST, "page_size=3"), (CURSOR, "limit=2"), (SUMMARY, "page_size=5&kind=hospital_province_refresh")]
    with reading_all_the_while(2):
        for turn in range(TURNS):
            path, query = shapes[turn % 3]
            if turn % 2 == 0:
                answer = api("POST", LIST, SUBMIT)
                assert answer.status == 202, answer
                newest, wanted = answer.body["task_id"], "PENDING"
            else:
                wanted = api("POST", f"/api/v1/tasks/{quote(newest)}/cancel").body["status"]
            first = api.get(path, query)["items"][0]
            assert (first["task_id"], first["status"]) == (newest, wanted), f"turn {turn}, {path}"
            if chance.random() < 0.3:
                assert api.get(f"/api/v1/tasks/{quote(newest)}")["status"] == wanted


class Asked:
    """What answers read of an app. (Powertools' apps share their event: a process answers one request at a time.)"""

    def __init__(self) -> None:
        self.current_event = APIGatewayProxyEventV2(sample("tasks", "serve_lists"))


@contextmanager
def reading_all_the_while(readers: int) -> Iterator[None]:
    """Threads that read the first page of all tasks, and how each of them stands."""
    done = threading.Event()

    def read() -> None:
        try:
            while not done.wait(0.05):
                page = page_answer(cast(Any, Asked()), Question("acme"), PageQuery(page_size=3), document, TaskDocument)
                for task in json.loads(str(page.body))["items"]:
                    following.read_task(task["task_id"], "acme")
        finally:
            longhaul_database.close()

    with ThreadPoolExecutor(readers) as pool:
        running = [pool.submit(read) for _ in range(readers)]
        try:
            yield
        finally:
            done.set()
    for reader in running:
        reader.result()
