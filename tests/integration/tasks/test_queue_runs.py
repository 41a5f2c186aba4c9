"""Tasks that a queue runs: what the queue is told, what keeps such a task alive, and how its work is counted."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from pydantic import BaseModel

from longhaul import settings
from longhaul.aws import workflows
from longhaul.database import Session
from longhaul.tasks import lifecycle, live, recovery, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.following import record_progress
from longhaul.tasks.kinds import Kind, kinds
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Progress, Status, Task
from longhaul.tasks.steps import ProgressEvent, beat
from longhaul.tasks.submission import Submission
from tests.submitting import submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Sent = Callable[[str], list[dict[str, Any]]]


class Campaign(BaseModel):
    leads: int


@dataclass
class Counters:
    """What a domain counts of its own work; `asked` lists whose counters were read."""

    done: int = 0
    total: int = 40
    asked: list[str] = field(default_factory=list)

    def read(self, session: Session, task_id: str) -> Progress:
        assert isinstance(session, Session)
        self.asked.append(task_id)
        progress = min(99, 100 * self.done // self.total)
        return Progress(progress, self.done / self.total, self.done, self.done == self.total, {"jobs_final": self.done})


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def queue(database: dict[str, Any], sql: Sql, counters: Counters, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of the queue that runs tasks of the kind `campaign`; `sent("campaign")` takes what it was told."""
    kind = Kind(
        name="campaign",
        params=Campaign,
        workflow="RunCampaigns",
        title=lambda params: f"{params.leads} leads",
        slug=lambda _: "campaign",
        count=counters.read,
        seconds_allowed=86_400,
        stale_seconds=120,
    )
    url = boto3.client("sqs").create_queue(QueueName="campaign")["QueueUrl"]
    monkeypatch.setenv("CAMPAIGN_QUEUE_URL", url)
    monkeypatch.setitem(kinds(), kind.name, kind)
    monkeypatch.setitem(settings.of(settings.Workflows).workflow_arns, kind.workflow, url)
    sql("INSERT INTO lanes (kind, max_concurrent, max_queued) VALUES ('campaign', 5, 1000)")
    yield url
    boto3.client("sqs").delete_queue(QueueUrl=url)


@pytest.fixture
def campaign(queue: str, running_task: Running, sent: Sent) -> Task:
    """A RUNNING campaign, of which the queue has been told."""
    task = running_task("campaign", leads=40)
    sent("campaign")
    return task


def silent(sql: Sql, seconds: int) -> None:
    """Nothing has been heard of any task for so long."""
    sql("UPDATE tasks SET heartbeat_at = TIMESTAMPADD(SECOND, -%s, UTC_TIMESTAMP(6))", seconds)


def test_the_queue_is_told_which_task_to_look_at_and_nothing_else(
    queue: str, running_task: Running, sent: Sent
) -> None:
    task = running_task("campaign", leads=40)
    assert task.status == Status.RUNNING
    assert sent("campaign") == [{"task_id": task.task_id, "attempt": 1}]
    assert task.execution_arn is not None
    assert re.fullmatch(rf"{re.escape(queue)}#{task.id}-1-[0-9a-f]{{16}}", task.execution_arn)
    assert workflows.describe(task.execution_arn) == "RUNNING"


def test_after_a_restart_the_queue_is_told_again_and_the_history_says_so(campaign: Task, sql: Sql, sent: Sent) -> None:
    sent("campaign")
    assert recovery.recover()["recovered"] == 0
    assert sent("campaign") == []
    assert recovery.recover(restarted=True)["recovered"] == 1
    assert sent("campaign") == [{"task_id": campaign.task_id, "attempt": 1}]
    events = sql("SELECT event, detail FROM task_events ORDER BY id")
    assert [event["event"] for event in events] == ["started", "recovered"]
    assert json.loads(events[1]["detail"]) == {"reason": recovery.UNHEARD}


def test_every_change_a_caller_makes_is_the_same_message(campaign: Task, sent: Sent) -> None:
    first = {"task_id": campaign.task_id, "attempt": 1}
    second = {"task_id": campaign.task_id, "attempt": 2}

    lifecycle.pause(campaign.task_id, "acme")
    assert sent("campaign") == [first]
    lifecycle.pause(campaign.task_id, "acme")
    lifecycle.resume(campaign.task_id, "acme")
    assert sent("campaign") == []
    dispatch(["campaign"])
    assert sent("campaign") == [second]
    lifecycle.cancel(campaign.task_id, "acme")
    assert sent("campaign") == [second]


def test_a_campaign_that_never_began_has_no_message(queue: str, sent: Sent) -> None:
    task = submit(Submission("acme", "ada", "campaign", {"leads": 40}))
    lifecycle.cancel(task.task_id, "acme")
    assert sent("campaign") == []


def test_a_queue_that_is_away_sends_the_task_back_to_wait(
    queue: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.of(settings.Workflows).workflow_arns, "RunCampaigns", f"{queue}-gone")
    submit(Submission("acme", "ada", "campaign", {"leads": 40}))
    dispatch(["campaign"])
    (row,) = sql("SELECT status, attempt, retries, error_code, error_message FROM tasks")
    assert row.pop("error_message").startswith("cannot tell the queue of ")
    assert row == {"status": "PENDING", "attempt": 1, "retries": 1, "error_code": "workflow_unavailable"}


def test_a_queue_that_is_away_does_not_keep_a_task_from_being_cancelled(
    campaign: Task, sql: Sql, warnings: list[str]
) -> None:
    sql("UPDATE tasks SET execution_arn = REPLACE(execution_arn, '#', '-gone#')")
    assert lifecycle.cancel(campaign.task_id, "acme").status == Status.CANCELLED
    assert warnings == ["execution not stopped"]


def test_recovery_leaves_a_campaign_alone_as_long_as_it_beats(campaign: Task, sql: Sql, sent: Sent) -> None:
    # GIVEN a campaign that waits for its calls, of which no step is heard
    for _ in range(2):
        silent(sql, 600)

        # WHEN its sweep says that it lives
        assert beat([campaign.task_id]) == 1

        # THEN recovery leaves it alone
        assert recovery.recover() == {"overdue": 0, "recovered": 0}
    silent(sql, 100)
    assert recovery.recover() == {"overdue": 0, "recovered": 0}
    assert sql("SELECT status, attempt, retries FROM tasks") == [{"status": "RUNNING", "attempt": 1, "retries": 0}]
    assert sent("campaign") == []


def test_a_campaign_without_a_beat_is_stale_and_gives_way_to_its_next_attempt(
    campaign: Task, sql: Sql, sent: Sent
) -> None:
    silent(sql, 130)
    assert recovery.recover() == {"overdue": 0, "recovered": 1}
    (row,) = sql("SELECT status, error_code, error_message FROM tasks")
    assert row == {
        "status": "PENDING",
        "error_code": "stale",
        "error_message": "nothing has been heard of it for 120 s",
    }
    assert sent("campaign") == [{"task_id": campaign.task_id, "attempt": 1}]
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    dispatch(["campaign"])
    assert sent("campaign") == [{"task_id": campaign.task_id, "attempt": 2}]


def test_a_beat_is_of_running_tasks_alone_and_no_change_to_a_reader(campaign: Task, sql: Sql) -> None:
    waiting = submit(Submission("acme", "ada", "campaign", {"leads": 40}))
    silent(sql, 600)
    before = {row["task_id"]: row for row in sql("SELECT task_id, heartbeat_at, updated_at FROM tasks")}
    assert beat([campaign.task_id, waiting.task_id, "no_such_task"]) == 1
    after = {row["task_id"]: row for row in sql("SELECT task_id, heartbeat_at, updated_at FROM tasks")}
    assert after[waiting.task_id] == before[waiting.task_id]
    assert after[campaign.task_id]["heartbeat_at"] > before[campaign.task_id]["heartbeat_at"]
    assert after[campaign.task_id]["updated_at"] == before[campaign.task_id]["updated_at"]


def test_no_task_has_no_beat(database: dict[str, Any]) -> None:
    assert beat([]) == 0


def test_a_kind_says_how_long_its_tasks_may_take(campaign: Task, running_task: Running) -> None:
    refresh = running_task()
    allowed = []
    for task in (campaign, refresh):
        assert task.deadline is not None
        assert task.started_at is not None
        allowed.append((task.deadline - task.started_at).total_seconds())
    assert allowed == [86_400, 7_200]


def test_a_campaign_past_its_deadline_fails_and_its_queue_is_told(campaign: Task, sql: Sql, sent: Sent) -> None:
    sql("UPDATE tasks SET deadline = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6))")
    assert recovery.recover()["overdue"] == 1
    assert sql("SELECT status, error_code FROM tasks") == [{"status": "FAILED", "error_code": "deadline_exceeded"}]
    assert sent("campaign") == [{"task_id": campaign.task_id, "attempt": 1}]


def test_its_own_counters_make_its_progress_by_the_rule_of_every_kind(
    campaign: Task, counters: Counters, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN what is written to the row
    writes: list[int] = []
    write = store.write_progress
    monkeypatch.setattr(
        store, "write_progress", lambda *args, **more: writes.append(args[2].steps_done) or write(*args, **more)
    )

    # WHEN its calls end, a few at a time
    event = ProgressEvent(task_id=campaign.task_id, attempt=1, level="job", label="第40通电话")
    seen = []
    for counters.done in (4, 5, 9, 12, 39, 40):
        record_progress([event])
        item = live.read(campaign.task_id)
        assert item is not None
        seen.append((item.progress, item.steps_done, item.statistics))

    # THEN the live item follows each time, the row every fifth and at the end
    assert seen == [
        (progress, done, {"jobs_final": done})
        for progress, done in ((10, 4), (12, 5), (22, 9), (30, 12), (97, 39), (99, 40))
    ]
    assert writes == [5, 12, 39, 40]
    assert sql("SELECT progress, steps_done, stage FROM tasks") == [{"progress": 99, "steps_done": 40, "stage": "job"}]
    assert set(counters.asked) == {campaign.task_id}


@pytest.mark.parametrize(
    ("end", "progress"),
    [
        (lambda task: lifecycle.close(task.task_id, 1, Outcome(result={"calls": 40})), 100),
        (lambda task: lifecycle.cancel(task.task_id, "acme"), 77),
        (lambda task: lifecycle.pause(task.task_id, "acme"), 77),
    ],
    ids=["closed", "cancelled", "paused"],
)
def test_its_own_counters_are_its_last_figures(
    campaign: Task, counters: Counters, sql: Sql, end: Callable[[Task], object], progress: int
) -> None:
    counters.done = 31
    end(campaign)
    (row,) = sql("SELECT progress, statistics FROM tasks")
    assert (row["progress"], row["statistics"].replace(" ", "")) == (progress, '{"jobs_final":31}')
