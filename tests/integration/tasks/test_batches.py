"""Many tasks submitted or changed at once (serve_batches): one statement, an answer for each, the bad ones apart."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pymysql
import pytest

from longhaul import database as longhaul_database
from longhaul.database import Session
from longhaul.errors import DatabaseUnavailable
from longhaul.tasks import batches, lifecycle
from longhaul.tasks.batches import Change, change_many, submit_many
from longhaul.tasks.changes import Wish
from longhaul.tasks.submission import Submission
from tests.calling import ask, at_once, call, sample
from tests.requesting import sent_requests

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]
type Ran = list[str]

GOOD: dict[str, Any] = {"kind": "hospital_province_refresh", "params": {"province": "广东省"}}
PATH = "/api/v1/tasks/batch"
QUOTA = "UpdateItem"  # the first thing that a request asks for


def submit(items: list[Any], tenant: str = "acme") -> dict[str, Any]:
    status, answer, _ = ask("serve_batches", "POST", PATH, {"items": items}, tenant=tenant)
    assert status == 200, answer
    return answer


def change(items: list[Any], tenant: str = "acme") -> dict[str, Any]:
    status, answer, _ = ask("serve_batches", "PATCH", PATH, {"items": items}, tenant=tenant)
    assert status == 200, answer
    return answer


def told(answer: dict[str, Any]) -> list[tuple[int, str | None]]:
    """(status, code of the problem) of each item."""
    assert [item["index"] for item in answer["items"]] == list(range(len(answer["items"])))
    assert [item["task_id"] is None for item in answer["items"]] == [bool(item["problem"]) for item in answer["items"]]
    return [(item["status"], item["problem"] and item["problem"]["code"]) for item in answer["items"]]


@pytest.fixture
def ran(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The names of the statements that were run."""
    names: Ran = []
    run = longhaul_database.Session.run
    monkeypatch.setattr(
        longhaul_database.Session, "run", lambda self, name, *rest: names.append(name) or run(self, name, *rest)
    )
    return names


@contextmanager
def counted_requests() -> Iterator[list[str]]:
    """The operations that AWS was asked for."""
    asked: list[str] = []
    with sent_requests("sqs", "dynamodb") as sent:
        yield asked
    asked += [request.action for request in sent]


def test_a_hundred_tasks_are_four_inserts_two_reads_and_one_message(
    database: dict[str, Any], sql: Sql, sent: Sent, ran: Ran
) -> None:
    # GIVEN a hundred tasks of two kinds
    kinds = ("hospital_province_refresh", "hospital_full_refresh")
    items = [
        {"kind": kinds[n % 2], "params": GOOD["params"] if n % 2 == 0 else {}, "title": f"第{n}个"} for n in range(100)
    ]

    # WHEN they are submitted
    with counted_requests() as asked:
        answer = submit(items)

    # THEN each has its task, in order, and little was asked for it
    assert (answer["accepted"], answer["refused"]) == (100, 0)
    assert told(answer) == [(202, None)] * 100
    rows = sql("SELECT task_id, title, kind, status, tenant_id, user_id, params FROM tasks ORDER BY id")
    assert [row["task_id"] for row in rows] == [item["task_id"] for item in answer["items"]]
    assert [row["title"] for row in rows] == [f"第{n}个" for n in range(100)]
    assert {(row["status"], row["tenant_id"], row["user_id"]) for row in rows} == {("PENDING", "acme", "ada")}
    assert json.loads(rows[0]["params"])["province"] == "广东省"
    assert ran == ["insert_tasks"] * 4 + [
        "count_submitted",
        "find_stored",
        "fetch_tasks",
        "is_heard",
    ]  # a statement has 16 KB at most
    assert asked == [QUOTA, "BatchWriteItem", "SendMessageBatch"]
    assert sent("dispatch") == [{"kind": kind} for kind in sorted(kinds)]


def test_a_bad_item_fails_alone_and_names_its_fields(database: dict[str, Any], sql: Sql) -> None:
    items: list[Any] = [
        GOOD,
        7,
        {"params": {}},
        GOOD | {"kind": "no_such"},
        GOOD | {"params": {"province": "广冬"}},
        GOOD | {"params": {"province": "广东省", "a/b": 1}},
        GOOD | {"priority": "asap"},
        GOOD | {"colour": "red"},
        GOOD | {"idempotency_key": ""},
        GOOD | {"title": "x" * 201},
        GOOD,
    ]
    answer = submit(items)
    assert told(answer) == [
        (202, None),
        (422, "invalid_request"),
        (422, "invalid_request"),
        (422, "unknown_kind"),
        *[(422, "invalid_request")] * 6,
        (202, None),
    ]
    pointers = [[error["pointer"] for error in (item["problem"] or {}).get("errors", [])] for item in answer["items"]]
    assert pointers == [
        [],
        ["/items/1"],
        ["/items/2/kind"],
        ["/items/3/kind"],
        ["/items/4/params/province"],
        ["/items/5/params/a/b"],
        ["/items/6/priority"],
        ["/items/7/colour"],
        ["/items/8/idempotency_key"],
        ["/items/9/title"],
        [],
    ]
    problem = answer["items"][4]["problem"]
    assert {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"} <= problem.keys()
    assert (answer["accepted"], answer["refused"]) == (2, 9)
    assert len(sql("SELECT id FROM tasks")) == 2


@pytest.mark.parametrize("items", [[], [GOOD] * 101, None, {}])
def test_no_item_or_too_many_is_no_batch(database: dict[str, Any], sql: Sql, items: Any) -> None:
    status, problem, _ = ask("serve_batches", "POST", PATH, {"items": items})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/items")
    assert sql("SELECT id FROM tasks") == []


def test_the_lane_takes_as_many_as_it_has_room_for_and_the_first_ones_first(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN a lane with room for three more, of which one key is known already
    sql("UPDATE lanes SET max_queued = 4 WHERE kind = 'hospital_province_refresh'")
    known = submit([GOOD | {"idempotency_key": "known"}])["items"][0]["task_id"]

    # WHEN six more come, and one of another lane
    other = {"kind": "hospital_full_refresh", "params": {}}
    answer = submit([GOOD | {"idempotency_key": "known"}, *[GOOD] * 5, other])

    # THEN the known one takes no place, the last two have none
    assert told(answer) == [*[(202, None)] * 4, *[(503, "lane_full")] * 2, (202, None)]
    assert answer["items"][0]["task_id"] == known
    assert answer["items"][5]["problem"]["retryable"] is True
    assert [row["n"] for row in sql("SELECT COUNT(*) AS n FROM tasks GROUP BY kind ORDER BY kind")] == [1, 4]


def test_a_key_makes_one_task_within_a_batch_and_across_them(database: dict[str, Any], sql: Sql) -> None:
    first = GOOD | {"idempotency_key": "k1"}
    quoted = GOOD | {"idempotency_key": '"k1"'}
    other = GOOD | {"idempotency_key": "k1", "title": "x"}
    wrong = GOOD | {"idempotency_key": "k1", "params": {}}
    answer = submit([wrong, first, quoted, other, first | {"idempotency_key": "k2"}])
    assert told(answer) == [
        (422, "invalid_request"),
        (202, None),
        (202, None),
        (422, "idempotency_key_reused"),
        (202, None),
    ]
    ids = [item["task_id"] for item in answer["items"]]
    assert ids[1] == ids[2] != ids[4]
    assert answer["items"][3]["problem"]["errors"] == [
        {"pointer": "/items/3/idempotency_key", "detail": f"it made {ids[1]}"}
    ]
    assert [item["task_id"] for item in submit([first, first])["items"]] == [ids[1]] * 2
    assert told(submit([other])) == [(422, "idempotency_key_reused")]
    assert submit([first], tenant="other")["items"][0]["task_id"] != ids[1]
    assert len(sql("SELECT id FROM tasks")) == 3


def test_the_same_batch_from_many_at_once_makes_its_tasks_once(database: dict[str, Any], sql: Sql) -> None:
    asked = [Submission("acme", "ada", GOOD["kind"], GOOD["params"], idempotency_key=f"k{n}") for n in range(20)]
    answers: list[list[Any]] = []
    at_once(4, lambda: answers.append(submit_many(asked)))
    assert len(answers) == 4
    assert all(answer == answers[0] for answer in answers)
    assert len(sql("SELECT id FROM tasks")) == 20


def test_a_key_taken_between_the_look_and_the_insert_is_found(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN that a first insert of the batch meets a key which another request has just taken
    insert, failures = batches.insert, [pymysql.IntegrityError(1062, "Duplicate entry")]

    def late(*args: Any) -> None:
        if failures:
            raise failures.pop()
        insert(*args)

    monkeypatch.setattr(batches, "insert", late)
    taken = GOOD | {"idempotency_key": "taken"}
    assert told(submit([taken, GOOD])) == [(202, None)] * 2
    assert (failures, len(sql("SELECT id FROM tasks"))) == ([], 2)


def test_an_insert_whose_answer_was_lost_is_found_again(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = longhaul_database.transaction

    @contextmanager
    def lose_the_answer() -> Iterator[Session]:
        with transaction() as tx:
            yield tx
        raise DatabaseUnavailable("connection lost (2013)")

    monkeypatch.setattr(longhaul_database, "transaction", lose_the_answer)
    answer = submit([GOOD, GOOD | {"kind": "no_such"}, GOOD])
    assert told(answer) == [(202, None), (422, "unknown_kind"), (202, None)]
    assert {row["task_id"] for row in sql("SELECT task_id FROM tasks")} == {
        answer["items"][0]["task_id"],
        answer["items"][2]["task_id"],
    }


def test_a_database_that_is_away_refuses_the_whole_batch(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(batches, "insert", away)
    status, problem, _ = ask("serve_batches", "POST", PATH, {"items": [GOOD]})
    assert (status, problem["code"]) == (503, "database_unavailable")
    assert sql("SELECT id FROM tasks") == []


def test_a_process_that_dies_before_its_hint_loses_no_task(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    # GIVEN a process that dies between the insert and the hint
    monkeypatch.setattr(lifecycle, "wake", killed)
    with pytest.raises(KeyboardInterrupt):
        submit([GOOD | {"idempotency_key": "k1"}])

    # WHEN the caller asks again, and the minute's sweep comes
    monkeypatch.undo()
    assert told(submit([GOOD | {"idempotency_key": "k1"}])) == [(202, None)]
    assert call("tasks", "dispatch_tasks", sample("tasks", "recover_tasks")) == {"started": 1}


def test_params_of_any_text_arrive_as_they_were_sent(database: dict[str, Any], sql: Sql) -> None:
    texts = ["'; DROP TABLE tasks; --", "%s :task_id {x}", '"\\', "𠮷野家🙂", "a\tb"]
    campaign = {
        "name": "n",
        "script_id": "s",
        "leads": [{"leads_id": text, "phone": f"1390000{n:04}"} for n, text in enumerate(texts)],
    }
    answer = submit([{"kind": "call_campaign", "params": campaign, "title": text} for text in texts])
    assert told(answer) == [(202, None)] * len(texts)
    rows = sql("SELECT title, params FROM tasks ORDER BY id")
    assert [row["title"] for row in rows] == texts
    assert [lead["leads_id"] for lead in json.loads(rows[0]["params"])["leads"]] == texts


def test_a_start_that_is_to_come_is_kept_and_hinted_at_when_a_message_can_wait(
    database: dict[str, Any], sql: Sql, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a start in ten minutes, in an hour, at once; and times that are too far off, or past
    hinted: list[tuple[list[str], int]] = []
    monkeypatch.setattr(lifecycle, "wake", lambda kinds, *, delay: hinted.append((sorted(kinds), round(delay / 60))))
    now = datetime.now(UTC)
    times = [now + timedelta(minutes=minutes) for minutes in (10, 60)]
    answer = submit(
        [
            *[GOOD | {"run_after": time.isoformat(), "deadline": "2026-12-20T10:00:00+08:00"} for time in times],
            GOOD,
            GOOD | {"run_after": (now + timedelta(days=31)).isoformat()},
            GOOD | {"deadline": (now - timedelta(days=1)).isoformat()},
        ]
    )

    # THEN the database's clock was asked once, and each has its start
    assert told(answer) == [*[(202, None)] * 3, *[(422, "invalid_request")] * 2]
    assert answer["items"][3]["problem"]["errors"][0]["pointer"] == "/items/3/run_after"
    assert answer["items"][4]["problem"]["errors"][0]["pointer"] == "/items/4/deadline"
    assert ran == ["fetch_time", "insert_tasks", "count_submitted", "find_stored", "fetch_tasks", "is_heard"]
    rows = sql("SELECT run_after, deadline, created_at FROM tasks ORDER BY id")
    assert [row["run_after"] for row in rows] == [*(time.replace(tzinfo=None) for time in times), rows[2]["created_at"]]
    assert [row["deadline"] for row in rows] == [datetime(2026, 12, 20, 2), datetime(2026, 12, 20, 2), None]
    assert sorted(hinted) == [([GOOD["kind"]], 0), ([GOOD["kind"]], 10)]


def test_the_sample_event_is_answered(database: dict[str, Any]) -> None:
    answer = call("tasks", "serve_batches", sample("tasks", "serve_batches"))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["accepted"] == 2


# ---------------------------------------------------------------------------------------------------------- changes


def test_changes_are_one_update_and_each_has_its_answer(database: dict[str, Any], sql: Sql, ran: Ran) -> None:
    # GIVEN tasks of this tenant, one that has ended, and one of another
    ids = [item["task_id"] for item in submit([GOOD] * 5)["items"]]
    theirs = submit([GOOD], tenant="other")["items"][0]["task_id"]
    sql("UPDATE tasks SET status = 'SUCCEEDED' WHERE task_id = %s", ids[3])
    ran.clear()

    # WHEN all of them are changed
    answer = change(
        [
            {"task_id": ids[0], "priority": "urgent"},
            {"task_id": ids[1], "title": "新名"},
            {"task_id": ids[2], "priority": "low", "title": "又一个"},
            {"task_id": ids[3], "priority": "low"},
            {"task_id": ids[0], "priority": "low"},
            {"task_id": theirs, "priority": "low"},
            {"task_id": ids[4] + " ", "priority": "low"},
            {"task_id": ids[4]},
            {"task_id": ids[4], "priority": "normal"},
            {"task_id": ids[4], "size": 3},
        ]
    )

    # THEN each is changed, or says why not
    assert told(answer) == [
        (200, None),
        (200, None),
        (200, None),
        (409, "illegal_transition"),
        (422, "invalid_request"),
        (404, "not_found"),
        (404, "not_found"),
        (422, "invalid_request"),
        (200, None),
        (422, "invalid_request"),
    ]
    assert answer["items"][3]["problem"]["allowed_actions"] == []
    assert answer["items"][4]["problem"]["errors"][0] == {
        "pointer": "/items/4/task_id",
        "detail": "item 0 is for it already",
    }
    rows = sql("SELECT task_id, priority, title FROM tasks ORDER BY id")
    assert [(row["priority"], row["title"]) for row in rows] == [
        (3, "广东省刷新"),
        (1, "新名"),
        (0, "又一个"),
        (1, "广东省刷新"),
        (1, "广东省刷新"),
        (1, "广东省刷新"),
    ]
    assert ran == ["lock_tasks", "change_tasks", "insert_events", "fetch_tasks", "find_unsent"]
    events = sql("SELECT task_id, event, status, detail FROM task_events ORDER BY id")
    assert [(event["task_id"], event["event"], json.loads(event["detail"])) for event in events] == [
        (ids[0], "changed", {"priority": ["normal", "urgent"]}),
        (ids[1], "changed", {"title": ["广东省刷新", "新名"]}),
        (ids[2], "changed", {"priority": ["normal", "low"], "title": ["广东省刷新", "又一个"]}),
    ]


def test_the_title_of_what_has_ended_may_change(database: dict[str, Any], sql: Sql) -> None:
    task_id = submit([GOOD])["items"][0]["task_id"]
    sql("UPDATE tasks SET status = 'CANCELLED'")
    assert told(change([{"task_id": task_id, "title": "旧的"}])) == [(200, None)]
    assert sql("SELECT title FROM tasks") == [{"title": "旧的"}]


def test_changes_forget_what_was_cached_in_batches(database: dict[str, Any]) -> None:
    ids = [item["task_id"] for item in submit([GOOD] * 100)["items"]]
    with counted_requests() as asked:
        change([{"task_id": task_id, "priority": "low"} for task_id in ids])
    assert asked == [QUOTA, *["BatchWriteItem"] * 5]
    generations = boto3.client("dynamodb").scan(TableName="cache")["Items"]
    assert {f"@task:{task_id}" for task_id in ids} | {"@tasks:acme"} <= {item["pk"]["S"] for item in generations}


def test_changes_that_change_nothing_write_nothing(database: dict[str, Any], ran: Ran) -> None:
    task_id = submit([GOOD])["items"][0]["task_id"]
    ran.clear()
    assert told(change([{"task_id": task_id, "priority": "normal"}])) == [(200, None)]
    assert told(change([7])) == [(422, "invalid_request")]
    assert ran == ["lock_tasks"]


def test_many_who_change_the_same_tasks_at_once_do_not_deadlock(database: dict[str, Any], sql: Sql) -> None:
    ids = [item["task_id"] for item in submit([GOOD] * 30)["items"]]
    orders = [ids, ids[::-1], ids[15:] + ids[:15], ids[::2] + ids[1::2]]
    answers: list[list[Any]] = []

    def once() -> None:
        order = orders.pop()
        answers.append(change_many("acme", [Change(task_id, Wish(title=str(len(orders)))) for task_id in order]))

    at_once(4, once)
    assert [sorted(answer) for answer in answers] == [sorted(ids)] * 4
    assert len(sql("SELECT DISTINCT title FROM tasks")) == 1
