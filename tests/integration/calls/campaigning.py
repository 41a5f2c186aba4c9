"""Campaigns for the tests: submitted, started, and looked at by their rows."""

import time
from collections.abc import Callable
from typing import Any

from calls import assignment, syncing
from calls.model import JobStatus, block_of
from longhaul import database
from longhaul.tasks import dispatch, store
from longhaul.tasks.model import Task
from longhaul.tasks.submission import Submission
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]

TENANT = "acme"


def leads(number: int, first: int = 0) -> list[dict[str, str]]:
    return [{"leads_id": f"L-{n}", "phone": f"138{n:08d}", "name": f"客户{n}"} for n in range(first, first + number)]


def submitted(number: int = 3, tenant: str = TENANT, **params: Any) -> Task:
    """A PENDING campaign of so many leads."""
    given = {"name": "秋季回访", "script_id": "script-1", "leads": leads(number)} | params
    return submit(Submission(tenant, "ada", "call_campaign", given))


def started(number: int = 3, **params: Any) -> Task:
    """A RUNNING campaign, as the dispatcher leaves it."""
    task = submitted(number, **params)
    _let_it_be_due()
    dispatch.dispatch(["call_campaign"])
    return fetched(task)


def assigned(number: int = 3, **params: Any) -> Task:
    """A RUNNING campaign whose leads all have their job."""
    task = started(number, **params)
    while assignment.assign_batch(task.task_id):
        pass
    _let_it_be_due()
    return task


def _let_it_be_due() -> None:
    """What is due now is due for others: the embedded engine's clock goes back by 7 ms between connections."""
    time.sleep(0.01)


def synced(number: int = 3, **params: Any) -> Task:
    """A campaign whose calls are all over, its conversations not analysed."""
    task = assigned(number, **params)
    for block in range(block_of(number) + 1):
        while open_jobs(task, block):
            syncing.sync_blocks(task.task_id, [block])
            time.sleep(0.02)
    return task


def fetched(task: Task) -> Task:
    with database.connection() as session:
        found = store.fetch(session, task.task_id)
    assert found is not None
    return found


def open_jobs(task: Task, block: int) -> int:
    from calls import job_store

    with database.connection() as session:
        return len(job_store.list_open_jobs(session, task.task_id, block))


def assert_counted(sql: Sql, task: Task) -> None:
    """The counters of the campaign are what its rows say."""
    (campaign,) = sql("SELECT * FROM call_campaigns WHERE task_id = %s", task.task_id)
    rows = sql("SELECT * FROM leads_task_list WHERE task_id = %s ORDER BY id", task.task_id)
    counted = {row["name"]: int(row["number"]) for row in sql("SELECT * FROM call_counts WHERE number <> 0")}
    jobs = [row for row in rows if row["job_seq"] is not None]
    assert campaign["leads"] == len(rows)
    assert campaign["assigned"] == len(jobs)
    assert sorted(row["job_seq"] for row in jobs) == list(range(1, len(jobs) + 1)), "ordinals are dense"
    statuses: dict[str, int] = {}
    for row in jobs:
        statuses[row["call_status"]] = statuses.get(row["call_status"], 0) + 1
    assert {name: number for name, number in counted.items() if name in list(JobStatus)} == statuses
    assert counted.get("followed", 0) == sum(row["leads_follow_id"] is not None for row in rows)
    assert counted.get("interested", 0) == sum(row["is_interested"] == 1 for row in rows)
    ended = [row for row in jobs if JobStatus(row["call_status"]).is_final]
    assert counted.get("talk_ms", 0) == sum(row["duration_ms"] or 0 for row in ended)
    for block in sql("SELECT * FROM call_blocks WHERE task_id = %s", task.task_id):
        here = [row for row in jobs if block_of(row["job_seq"]) == block["block"]]
        still_open = sum(not JobStatus(row["call_status"]).is_final for row in here)
        assert (block["open_jobs"], block["due_at"] is None) == (still_open, still_open == 0)
