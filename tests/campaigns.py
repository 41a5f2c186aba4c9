"""Campaigns of a running stack: submitted, read a page at a time, and held against the provider and their own rows.

For the end-to-end and the fault tests. What a dead worker holds is free again only when its lease has ended, and a
circuit that is open is tried again only after half a minute: `hurry` stands for the time until then.
"""

import contextlib
import itertools
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from calls.model import JobStatus, block_of, outcome_of
from calls.sdk import Keys, Sdk
from local.options import ACCESS_KEY
from local.running import eventually, send
from longhaul.cache.debounce import key_of
from tests.observation import Observer, Row
from tests.providing import Provider

WORKERS = {  # by the queues they read
    "SteerQueue": "SteerCampaign",
    "AssignQueue": "AssignJobs",
    "SyncQueue": "SyncJobs",
    "AnalyseQueue": "AnalyseConversation",
    "RecordingsQueue": "FetchRecordings",
}
HELD = {  # until or since when somebody is at something, by table and its key
    ("call_campaigns", "task_id"): ("assigning_until", "steering_until"),
    ("leads_task_list", "id"): ("judging_at", "recording_at"),
}

_numbers = itertools.count(1)


def leads(count: int) -> list[Row]:
    """So many leads, whom no other test knows."""
    return [
        {"leads_id": f"L-{number}", "phone": f"138{number:08d}", "name": f"客户{number}", "extras": {"城市": "广州"}}
        for number in itertools.islice(_numbers, count)
    ]


class Timed(NamedTuple):
    """A page and the seconds it took."""

    page: Row
    seconds: float


class Held(NamedTuple):
    """What somebody holds; a worker that takes it writes another `value`."""

    table: str
    key: str
    row: Any
    column: str
    value: datetime


class Counted(NamedTuple):
    """What is counted of a campaign: `counts` without those at 0, `open_jobs` by block, `due` the blocks to sync."""

    leads: int
    assigned: int
    counts: dict[str, int]
    open_jobs: dict[int, int]
    due: set[int]


class Campaigns:
    """Submits campaigns to a stack and looks at what comes of them."""

    def __init__(self, observer: Observer, provider: Provider) -> None:
        self._observer = observer
        self._provider = provider

    # ------------------------------------------------------------------------------------------------- over HTTP

    def submit(self, count: int, **params: Any) -> str:
        """Submit a campaign of so many new leads; return the task's id."""
        return self._observer.call(leads(count), **params)

    def add(self, task_id: str, count: int, *, last: bool = False) -> int:
        """Add so many new leads; return how many there are then."""
        added = self._observer.post(leads_path(task_id), {"leads": leads(count), "last": last})
        assert (added["added"], added["duplicates"]) == (count, [])
        return int(added["leads"])

    def page(self, task_id: str, **asked: Any) -> Row:
        return self._observer.page(task_id, **asked)

    def timed(self, task_id: str, **asked: Any) -> Timed:
        started = time.monotonic()
        page = self.page(task_id, **asked)
        return Timed(page, time.monotonic() - started)

    def pages(self, task_id: str) -> list[Row]:
        """All of them; whoever reads them has what is stale synced."""
        first = self.page(task_id, page_size=100)
        return [first, *(self.page(task_id, page=page, page_size=100) for page in range(2, first["pages"] + 1))]

    def ended(self, task_id: str, *, seconds: float = 60.0, hurry: bool = False) -> Row:
        """Wait for the end as a reader who looks again and again; return the task's document."""

        def look() -> bool:
            if hurry:
                self.hurry(task_id)
            self.pages(task_id)
            return self._observer.task(task_id)["finished_at"] is not None

        eventually(look, seconds, pause=0.3)
        return self._observer.read(task_id)

    def hand_over(self, task_id: str, count: int) -> None:
        """Wait, in a hurry, until so many leads have their job."""

        def look() -> bool:
            self.hurry(task_id)
            return self.assigned(task_id) == count

        eventually(look)

    # -------------------------------------------------------------------------------------------- in the database

    def row(self, task_id: str) -> Row:
        """The campaign's row; empty before there is one."""
        return next(iter(self._observer.sql("SELECT * FROM call_campaigns WHERE task_id = %s", task_id)), {})

    def rows(self, task_id: str) -> list[Row]:
        """The campaign's leads, those without a job first."""
        return self._observer.sql("SELECT * FROM leads_task_list WHERE task_id = %s ORDER BY job_seq, id", task_id)

    def assigned(self, task_id: str) -> int:
        """How many leads have their job."""
        return int(self.row(task_id).get("assigned", 0))

    def counts(self, task_id: str) -> dict[str, int]:
        """The campaign's counters, without those at 0."""
        rows = self._observer.sql("SELECT name, number FROM call_counts WHERE task_id = %s", task_id)
        return {row["name"]: row["number"] for row in rows if row["number"]}

    def make_due(self, task_id: str, *, seconds: float = 0.0) -> None:
        """Let the campaign's open blocks be asked for from so many seconds from now."""
        self._observer.sql(
            "UPDATE call_blocks SET due_at = TIMESTAMPADD(SECOND, %s, UTC_TIMESTAMP(6))"
            " WHERE task_id = %s AND due_at IS NOT NULL",
            seconds,
            task_id,
        )

    # ------------------------------------------------------------------------------------------- what has to hold

    def assert_counted(self, task_id: str) -> None:
        """Every counter is what the rows add up to, also in the middle of the work."""
        rows, counted = eventually(lambda: self._at_one_moment(task_id))
        jobs = [row for row in rows if row["job_seq"] is not None]
        over = [row for row in jobs if JobStatus(row["call_status"]).is_final]
        counts = Counter(row["call_status"] for row in jobs) + Counter(map(_outcome, over))
        counts["followed"] = sum(row["leads_follow_id"] is not None for row in rows)
        counts["interested"] = sum(row["is_interested"] or 0 for row in rows)
        counts["talk_ms"] = sum(row["duration_ms"] or 0 for row in over)
        in_block, over_in_block = (Counter(block_of(row["job_seq"]) for row in some) for some in (jobs, over))
        open_jobs = {block: number - over_in_block[block] for block, number in in_block.items()}
        assert counted == Counted(
            leads=len(rows),
            assigned=len(jobs),
            counts=dict(+counts),
            open_jobs=open_jobs,
            due={block for block, number in open_jobs.items() if number},
        )

    def assert_nobody_called_twice(self, task_id: str) -> None:
        """Each lead has a job of its own, the only one that the provider has for it; the ordinals are dense.

        A job that was cancelled before anybody was called does not count as a call.
        """
        rows = self.rows(task_id)
        assert [row["job_seq"] for row in rows] == list(range(1, len(rows) + 1))
        assert len({row["call_job_id"] for row in rows}) == len(rows)
        expected = {row["id"]: int(row["call_status"] != "Cancelled" or bool(row["call_task_id"])) for row in rows}
        dialled = self.dialled()
        assert {row["id"]: dialled.get(str(row["id"]), 0) for row in rows} == expected

    def assert_done(self, task_id: str) -> None:
        """The campaign has ended well: each lead was called once and followed up once, and all of it is counted."""
        task = self._observer.read(task_id)
        assert (task["status"], task["progress"], task["error"]) == ("SUCCEEDED", 100, None)
        self.assert_nobody_called_twice(task_id)
        self.assert_counted(task_id)
        rows, counts, result = self.rows(task_id), self.counts(task_id), task["result"]
        assert result["leads"] == result["final"] == result["followed"] == len(rows)
        assert result["interested"] == counts.get("interested", 0)
        assert result["talk_seconds"] == counts.get("talk_ms", 0) // 1000
        follows = self._observer.sql("SELECT id, leads_id FROM dcc_leads_follow")
        assert {row["leads_id"]: row["leads_follow_id"] for row in rows}.items() <= {
            follow["leads_id"]: follow["id"] for follow in follows
        }.items()
        assert len({follow["leads_id"] for follow in follows}) == len(follows)

    def _at_one_moment(self, task_id: str) -> tuple[list[Row], Counted] | None:
        """The rows, and what was counted of them at that time; None when the counters changed meanwhile."""
        before, rows, after = self._counted(task_id), self.rows(task_id), self._counted(task_id)
        return (rows, after) if before == after else None

    def _counted(self, task_id: str) -> Counted:
        campaign = self.row(task_id)
        blocks = self._observer.sql("SELECT * FROM call_blocks WHERE task_id = %s", task_id)
        return Counted(
            leads=campaign["leads"],
            assigned=campaign["assigned"],
            counts=self.counts(task_id),
            open_jobs={block["block"]: block["open_jobs"] for block in blocks},
            due={block["block"] for block in blocks if block["due_at"]},
        )

    # ------------------------------------------------------------------------------------------ time, in a hurry

    def hurry(self, task_id: str) -> None:
        """As if it were later for what dead workers hold of the campaign and for open circuits; then sweep."""
        held = list(self._held(task_id))
        if not any(self._observer.stack.pids(function, busy=True) for function in WORKERS.values()):
            for one in held:  # whoever held it is dead, unless it has another value by now
                self._observer.sql(
                    f"UPDATE {one.table} SET {one.column} = TIMESTAMPADD(HOUR, -1, {one.column})"
                    f" WHERE {one.key} = %s AND {one.column} = %s",
                    one.row,
                    one.value,
                )
        hinted = {"pk": {"S": key_of(f"unjudged:{task_id}")}}
        self._observer.aws("dynamodb").delete_item(TableName=self._observer.physical("CacheTable"), Key=hinted)
        self.mend()
        self._observer.aws("lambda").invoke(FunctionName=self._observer.physical("SweepCampaigns"), Payload=b"{}")

    def mend(self) -> None:
        """As if every circuit had been open for long: its provider is tried again."""
        dynamodb, table = self._observer.aws("dynamodb"), self._observer.physical("BreakerTable")
        for item in dynamodb.scan(TableName=table)["Items"]:
            if item.get("state", {}).get("S") == "OPEN":  # a model's slots lie there too
                dynamodb.update_item(
                    TableName=table,
                    Key={"circuit": item["circuit"]},
                    UpdateExpression="SET opened_at = :long_ago",
                    ExpressionAttributeValues={":long_ago": {"N": "1"}},
                )

    def _held(self, task_id: str) -> Iterator[Held]:
        for (table, key), columns in HELD.items():
            for row in self._observer.sql(f"SELECT * FROM {table} WHERE task_id = %s", task_id):
                for column in columns:
                    if row[column] is not None:
                        yield Held(table, key, row[key], column, row[column])

    # ------------------------------------------------------------------------------------------------ the provider

    def dialled(self) -> Mapping[str, int]:
        """How often each reference was called or will be."""
        report: dict[str, int] = send(f"{self._observer.stack.provider_url}/calls/dialled", "GET", None, {}, 5).json()
        return report

    def progress(self, task_id: str) -> Any:
        """What the provider says of the campaign's jobs: how many are scheduling, executing, paused, cancelled, ..."""
        group = self.row(task_id)["job_group_id"]
        return self.sdk().read("DescribeJobGroup", lambda body: body.job_group.progress, job_group_id=group)

    def tell(self, action: str, job_ids: Sequence[str]) -> None:
        """Have some jobs cancelled, suspended or resumed behind the campaign's back."""
        self.sdk().write(action, lambda body: None, all=False, job_id=list(job_ids))

    def sdk(self) -> Sdk:
        """The real SDK, without a circuit."""
        endpoint, keys = self._observer.stack.provider_url.removeprefix("http://"), Keys.model_validate(ACCESS_KEY)
        circuit: Any = _NoCircuit()
        return Sdk(endpoint=endpoint, protocol="http", instance_id="local", read_keys=lambda: keys, circuit=circuit)

    # --------------------------------------------------------------------------------------- messages and workers

    def send(self, queue: str, *bodies: Any, times: int = 1) -> list[str]:
        """Send each body (text, or what becomes JSON) so many times; return the message ids."""
        url, sqs = self._observer.physical(queue), self._observer.aws("sqs")
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies for _ in range(times)]
        sent: list[str] = []
        for some in itertools.batched(texts, 10, strict=False):
            entries = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(some)]
            answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
            sent += [entry["MessageId"] for entry in answer["Successful"]]
        return sent

    def kill(self, function: str) -> int:
        """SIGKILL every worker of the function that is at work; return how many there were."""
        pids = self._observer.stack.pids(function, busy=True)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)

    def abandon(self) -> None:
        """Leave nobody at work for the next test: who waits for a slow provider would do so for long."""
        self._observer.sql("DELETE FROM tasks")
        self._provider.reset()
        for function in WORKERS.values():
            self.kill(function)
        self.mend()


class _NoCircuit:
    def call[R](self, ask: Callable[[], R]) -> R:
        return ask()


def leads_path(task_id: str) -> str:
    return f"/api/v1/campaigns/{quote(task_id)}/leads"


def _outcome(row: Row) -> str:
    if row["call_result"]:
        return outcome_of(row["call_result"])
    return "cancelled" if row["call_status"] == "Cancelled" else "failed"
