"""The page query: what a page holds, what it costs, how fresh it is. (query_page)"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from calls import conversation_analysis, pages, provider_wait, recordings, syncing
from calls.messages import AnalyseMessage, RecordingsMessage
from calls.model import WrongKind
from calls.wire import CallItem, PageAnswer, PageQuery, span_of, write_page
from longhaul import cache, database, settings
from longhaul.errors import NotFound
from longhaul.http import waiting
from longhaul.http.cursors import InvalidCursor, seal
from longhaul.tasks.model import Task
from longhaul.tasks.submission import Submission
from tests.calling import call, sample
from tests.integration.calls.campaigning import TENANT, Sql, assigned, submitted, synced
from tests.integration.calls.conftest import StandIn
from tests.requesting import Sent, sent_requests
from tests.submitting import submit

type Answer = dict[str, Any]


def query(task: Task | str, tenant: str = TENANT, **params: Any) -> Answer:
    """The answer as the function makes it, for a caller who finds a place when it waits."""
    request = PageQuery(task_id=task if isinstance(task, str) else task.task_id, **params)
    span, recordings = span_of(request), not request.skip_recording
    if request.wait_for_sync:
        page = provider_wait.read(span, tenant, recordings=recordings, place=lambda: nullcontext(True))
    else:
        page = pages.read(span, tenant, recordings=recordings)
    answer: Answer = json.loads(write_page(page, skip_recording=request.skip_recording)[0])
    return answer


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is not to be asked again for half a minute, as in production."""
    monkeypatch.setenv("CALL_SYNC_SECONDS", "30")
    settings.of.cache_clear()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements that are run."""
    seen: list[str] = []
    run = database.Session.run

    def noted(self: database.Session, name: str, sql: str, parameters: Any) -> Any:
        seen.append(name)
        return run(self, name, sql, parameters)

    monkeypatch.setattr(database.Session, "run", noted)
    return seen


@pytest.fixture
def requests() -> Iterator[list[Sent]]:
    """The requests that are sent to AWS."""
    with sent_requests("sqs", "dynamodb") as sent:
        yield sent


def test_a_page_is_the_rows_with_their_follow_ups(outbound: StandIn, model: StandIn, sql: Sql) -> None:
    # GIVEN a campaign whose calls are over, with one conversation analysed
    task = synced(30)
    talked = sql("SELECT job_seq FROM leads_task_list WHERE call_status = 'Succeeded' ORDER BY job_seq")[0]["job_seq"]
    conversation_analysis.analyse(AnalyseMessage(task_id=task.task_id, job_seq=talked))

    # WHEN its first page is read
    answer = query(task)

    # THEN it is of the shape that is promised, and its items are the rows, by their columns' names
    PageAnswer.model_validate(answer)
    assert (answer["page"], answer["page_size"], answer["total"], answer["pages"]) == (1, 20, 30, 2)
    assert [item["job_seq"] for item in answer["items"]] == list(range(1, 21))
    assert answer["items"][0].keys() == CallItem.model_fields.keys()
    rows = {row["job_seq"]: row for row in sql("SELECT * FROM leads_task_list")}
    follows = {row["id"]: row for row in sql("SELECT * FROM dcc_leads_follow")}
    for item in answer["items"]:
        row = rows[item["job_seq"]]
        for name in ("leads_id", "call_job_id", "call_status", "call_result", "calling_number", "leads_follow_id"):
            assert item[name] == row[name], name
        assert item["call_conversation"] == (json.loads(row["call_conversation"]) if row["call_conversation"] else None)
        follow = follows.get(row["leads_follow_id"])
        assert (item["follow_data"] is None) == (follow is None)
        if follow:
            assert item["follow_data"]["leads_remark"] == follow["leads_remark"]
            assert item["follow_data"]["id"] == follow["id"]
    statuses = [row["call_status"] for row in rows.values()]
    assert answer["counts"] == {status: statuses.count(status) for status in set(statuses)}
    assert answer["status"] == "RUNNING"


def test_pages_by_number_and_by_cursor_are_the_same(outbound: StandIn) -> None:
    task = synced(47)
    by_number = [query(task, page=page, page_size=10) for page in range(1, 7)]
    seqs = [[item["job_seq"] for item in answer["items"]] for answer in by_number]
    assert [seq for page in seqs for seq in page] == list(range(1, 48))
    assert seqs[5] == []
    by_cursor = [query(task, page_size=10)]
    while cursor := by_cursor[-1]["next_cursor"]:
        by_cursor.append(query(task, cursor=cursor))
    assert [answer["items"] for answer in by_cursor] == [answer["items"] for answer in by_number[:5]]
    assert [answer["page"] for answer in by_cursor] == [1, 2, 3, 4, 5]


def test_a_page_past_the_end_is_empty_and_knows_the_total(outbound: StandIn) -> None:
    answer = query(synced(3), page=10_000_000, page_size=100)
    assert (answer["items"], answer["total"], answer["pages"], answer["next_cursor"]) == ([], 3, 1, None)
    assert answer["freshness"] == "fresh"


def test_a_campaign_without_jobs_has_an_empty_page(database: Any) -> None:
    answer = query(submitted(3))
    assert (answer["items"], answer["total"], answer["leads"], answer["status"]) == ([], 0, 3, "PENDING")


def test_whose_page_it_is(outbound: StandIn) -> None:
    task = synced(3)
    assert query(task)["total"] == 3
    with pytest.raises(NotFound):
        query(task, tenant="another")
    with pytest.raises(NotFound):
        query("no-such-task")
    refresh = submit(Submission(TENANT, "ada", "hospital_province_refresh", {"province": "广东省"}))
    with pytest.raises(WrongKind):
        query(refresh)


def test_cursors_that_are_refused(outbound: StandIn) -> None:
    task, other = synced(5), synced(5)
    cursor = query(task, page_size=2)["next_cursor"]
    for wrong in (cursor[:-2] + "xx", "a", "喂", seal({"task": other.task_id, "size": 2, "first": 3})):
        with pytest.raises(InvalidCursor):
            query(task, cursor=wrong)
    with pytest.raises(InvalidCursor):
        query(task, cursor=cursor, page_size=3)
    assert query(task, cursor=cursor, page_size=2)["page"] == 2


def test_what_a_page_costs(outbound: StandIn, statements: list[str], requests: list[Sent]) -> None:
    task = synced(30)
    cache.invalidate(f"calls:{task.task_id}")

    # WHEN it is not cached, THEN it costs two statements, and two requests to DynamoDB
    statements.clear()
    requests.clear()
    assert query(task)["cache"] == "miss"
    assert statements == ["fetch_page_head", "list_page"]
    assert [request.action for request in requests] == ["BatchGetItem", "PutItem"]

    # WHEN it is, THEN it costs one read of DynamoDB and nothing else
    statements.clear()
    requests.clear()
    assert query(task)["cache"] == "hit"
    assert statements == []
    assert [request.action for request in requests] == ["BatchGetItem"]

    # WHEN something on it changes, THEN it is not served again
    cache.invalidate(f"calls:{task.task_id}")
    assert query(task)["cache"] == "miss"


def test_a_stale_page_is_served_and_refreshed_once_for_all_readers(
    outbound: StandIn, patient: None, sql: Sql, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a page that was never synced
    outbound.control(call_lines=0)
    task = assigned(120)
    before = outbound.calls()["count"]

    # WHEN many read it
    answers = [query(task, page_size=100) for _ in range(10)]

    # THEN each is answered at once, the provider was not called, and one message asks for its two blocks
    assert {answer["freshness"] for answer in answers} == {"stale, refreshing"}
    assert outbound.calls()["count"] == before
    assert sent("sync") == [{"task_id": task.task_id, "blocks": [0, 1]}]


def test_a_sync_that_changed_nothing_makes_a_cached_page_fresh(outbound: StandIn, patient: None, sql: Sql) -> None:
    outbound.control(call_lines=0)
    task = assigned(3)
    sql("UPDATE call_blocks SET due_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND, synced_at = due_at - INTERVAL 30 SECOND")
    cache.invalidate(f"calls:{task.task_id}")
    before = query(task)
    assert before["freshness"] == "stale, refreshing"
    syncing.sync_blocks(task.task_id, [0])
    after = query(task)
    assert (after["freshness"], after["cache"]) == ("fresh", "hit")
    assert after["synced_at"] > before["synced_at"]


def test_a_provider_that_is_away_is_told(outbound: StandIn, patient: None, sql: Sql) -> None:
    outbound.control(fail_keys={"ListJobs": "drop"})
    task = assigned(3)
    sql("UPDATE call_blocks SET due_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND, synced_at = due_at - INTERVAL 30 SECOND")
    cache.invalidate(f"calls:{task.task_id}")
    query(task)
    syncing.sync_blocks(task.task_id, [0])
    answer = query(task)
    assert (answer["freshness"], len(answer["items"])) == ("provider_unavailable", 3)


def test_waiting_for_the_provider(outbound: StandIn, sql: Sql) -> None:
    task = assigned(3)
    time.sleep(0.2)
    answer = query(task, wait_for_sync=True)
    assert (answer["waited"], answer["cache"], answer["freshness"]) == ("synced", "bypass", "fresh")
    assert {item["call_status"] for item in answer["items"]} <= {"Succeeded", "Failed"}
    assert query(task, wait_for_sync=True)["waited"] is None, "all calls are over"


def test_a_slow_provider_cuts_the_wait_short(outbound: StandIn, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_wait, "WAIT_SECONDS", 0.6)
    outbound.control(slow_keys={"ListJobs": 5_000})
    task = assigned(3)
    time.sleep(0.2)
    started = time.monotonic()
    answer = query(task, wait_for_sync=True)
    assert time.monotonic() - started < 2
    assert (answer["waited"], len(answer["items"])) == ("cut_short", 3)


def test_where_no_more_may_wait_the_page_comes_at_once(
    outbound: StandIn, sql: Sql, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = assigned(3)
    time.sleep(0.2)
    outbound.reset()

    from calls import query_page  # it reads its environment when it is imported

    @contextmanager
    def full(tenant_id: str, seconds: float) -> Iterator[bool]:
        assert (tenant_id, seconds) == ("acme", query_page.FUNCTION_SECONDS)
        yield False

    monkeypatch.setattr(waiting, "place", full)
    event = sample("calls", "query_page")
    event["body"] = json.dumps({"task_id": task.task_id, "wait_for_sync": True})
    answer = json.loads(call("calls", "query_page", event)["body"])
    assert (answer["waited"], answer["cache"], len(answer["items"])) == ("cut_short", "miss", 3)
    assert outbound.calls("ListJobs")["count"] == 0
    assert sent("sync") == [{"task_id": task.task_id, "blocks": [0]}], "it is synced all the same"


def test_recordings_are_fetched_when_somebody_wants_them(
    outbound: StandIn, sql: Sql, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = synced(20)
    monkeypatch.setenv("CALL_SYNC_SECONDS", "30")
    settings.of.cache_clear()
    talked = {row["job_seq"] for row in sql("SELECT job_seq FROM leads_task_list WHERE call_status = 'Succeeded'")}

    def statuses(**params: Any) -> dict[int, str]:
        return {item["job_seq"]: item["recording_status"] for item in query(task, **params)["items"]}

    # WHEN nobody wants them, THEN they are skipped, and none is fetched
    assert {seq for seq, status in statuses().items() if status == "skipped"} == talked
    assert {status for seq, status in statuses().items() if seq not in talked} == {"none"}
    assert sent("recordings") == []

    # WHEN somebody does, THEN they are pending, and fetched once
    for _ in range(3):
        assert {seq for seq, status in statuses(skip_recording=False).items() if status == "pending"} == talked
    (message,) = sent("recordings")
    assert set(message["job_seqs"]) == talked

    # WHEN they have come, THEN each has its link
    recordings.fetch_recordings(RecordingsMessage(**message))
    ready = {item["job_seq"]: item["recording_url"] for item in query(task)["items"] if item["recording_url"]}
    assert ready.keys() == talked
    assert all("X-Amz-Expires=1200" in url or "Expires=" in url for url in ready.values())


def test_an_old_link_is_served_as_it_is(outbound: StandIn, sql: Sql) -> None:
    task = synced(3)
    sql("UPDATE leads_task_list SET recording_url = 'http://old.example/1.mp3' WHERE job_seq = 1")
    cache.invalidate(f"calls:{task.task_id}")
    item = query(task)["items"][0]
    assert (item["recording_url"], item["recording_status"]) == ("http://old.example/1.mp3", "ready")


def test_a_page_without_dynamodb(outbound: StandIn, monkeypatch: pytest.MonkeyPatch, warnings: list[str]) -> None:
    task = synced(5)
    cached = query(task)
    monkeypatch.setenv("CACHE_TABLE", "no-such-table")
    settings.of.cache_clear()
    answer = query(task)
    assert answer["items"] == cached["items"]
    assert answer["cache"] == "miss"
    assert "cache not read" in warnings


def test_over_http(outbound: StandIn) -> None:
    task = synced(5)
    event = sample("calls", "query_page")
    event["body"] = json.dumps({"task_id": task.task_id, "page_size": 2})
    first = call("calls", "query_page", event)
    assert first["statusCode"] == 200
    assert json.loads(first["body"])["total"] == 5
    event["headers"]["if-none-match"] = first["headers"]["ETag"]
    assert call("calls", "query_page", event)["statusCode"] == 304, "that it is cached now makes no difference"
    event["body"] = json.dumps({"task_id": task.task_id, "page": 1, "cursor": "x"})
    refused = call("calls", "query_page", event)
    assert (refused["statusCode"], json.loads(refused["body"])["errors"][0]["detail"]) == (
        422,
        "page and cursor exclude each other",
    )
