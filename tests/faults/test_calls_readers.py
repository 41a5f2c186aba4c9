"""Many readers and some writers on one campaign: no error, and no page older than what was written before it was asked.

A writer invalidates the pages after its commit. So a page that is asked for after a writer was answered shows what that
writer has written, and all that was written before.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import NamedTuple

import pytest

from calls.model import JobStatus
from local.running import eventually
from tests.campaigns import Campaigns, leads, leads_path
from tests.observation import Observer, Row
from tests.providing import Provider

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # the SDK's own

READERS, SECONDS = 24, 5.0
LEADS, PAGES, PAGE_SIZE = 50, 6, 10


class Seen(NamedTuple):
    """How far a campaign is: its leads, those with a job, and those whose call is over."""

    leads: int
    total: int
    final: int


def test_readers_and_writers_of_one_campaign(campaigns: Campaigns, observer: Observer, provider: Provider) -> None:
    # GIVEN a campaign in the middle of its calls, open for more leads
    provider.control(outbound={"call_seconds": 1, "call_lines": 3})
    task_id = campaigns.submit(LEADS, open=True)
    eventually(lambda: campaigns.page(task_id)["counts"].get("Succeeded"))
    campaigns.progress(task_id)  # loads the SDK, before so much else wants the processor
    floor, done = [Seen(0, 0, 0)], threading.Event()

    # WHEN many read its pages again and again, while leads are added, jobs synced, cancelled, suspended and resumed
    def read(number: int) -> str:
        least = floor[0]
        page = observer.page(task_id, page=number % PAGES + 1, page_size=PAGE_SIZE)
        assert all(now >= then for now, then in zip(seen_on(page), least, strict=True)), (page, least)
        assert_sound(page)
        return str(page["cache"])

    def read_on(reader: int) -> Counter[str]:
        sources: Counter[str] = Counter()
        for number in itertools.count(reader):
            sources[read(number)] += 1
            if done.wait(0.1):
                break
        return sources

    def add() -> None:
        before = committed(campaigns, task_id)
        read(0)  # now it is cached
        added = observer.post(leads_path(task_id), {"leads": leads(1)})
        floor[0] = before._replace(leads=added["leads"])
        read(0)

    def sync() -> None:
        campaigns.make_due(task_id)
        campaigns.send("SyncQueue", {"task_id": task_id, "blocks": [0]}, times=2)

    def cancel() -> None:
        if jobs := scheduled(campaigns, task_id):
            campaigns.tell("CancelJobs", jobs[-1:])

    def suspend() -> None:
        if jobs := scheduled(campaigns, task_id):
            campaigns.tell("SuspendJobs", jobs[:5])
            campaigns.tell("ResumeJobs", jobs[:5])

    written: Counter[str] = Counter()

    def again_and_again(write: Callable[[], None]) -> None:
        while not done.wait(0.3):
            write()
            written[write.__name__] += 1

    for _ in range(5):
        add()  # nobody else writes much yet, and makes good what this might fail to invalidate
    writers = (add, sync, sync, cancel, suspend)
    with ThreadPoolExecutor(READERS + len(writers)) as pool:
        readings = [pool.submit(read_on, number) for number in range(READERS)]
        writings = [pool.submit(again_and_again, write) for write in writers]
        wait([*readings, *writings], SECONDS, FIRST_EXCEPTION)
        done.set()
        sources = sum((reading.result() for reading in readings), Counter[str]())
        assert {writing.result() for writing in writings} == {None}

    # THEN all were answered, many from the cache, with no page older than what had been written; and it all adds up
    assert sources["hit"] > 0
    assert sources["miss"] > 0
    assert len(written) == len(set(writers))
    provider.control(outbound={"call_seconds": 0.05})
    campaigns.add(task_id, 1, last=True)
    campaigns.ended(task_id)
    campaigns.assert_nobody_called_twice(task_id)
    campaigns.assert_counted(task_id)
    assert observer.task(task_id)["status"] == "SUCCEEDED"
    observer.settle()
    pages = [observer.page(task_id, page=number + 1, page_size=PAGE_SIZE) for number in range(PAGES)]
    assert {seen_on(page) for page in pages} == {committed(campaigns, task_id)}


def scheduled(campaigns: Campaigns, task_id: str) -> list[str]:
    """The provider's ids of the jobs that wait for a line, as far as we know."""
    return [row["call_job_id"] for row in campaigns.rows(task_id) if row["call_status"] == "Scheduling"]


def committed(campaigns: Campaigns, task_id: str) -> Seen:
    counts, campaign = campaigns.counts(task_id), campaigns.row(task_id)
    return Seen(campaign["leads"], campaign["assigned"], final_of(counts))


def seen_on(page: Row) -> Seen:
    return Seen(page["leads"], page["total"], final_of(page["counts"]))


def final_of(counts: dict[str, int]) -> int:
    return sum(number for status, number in counts.items() if status in JobStatus and JobStatus(status).is_final)


def assert_sound(page: Row) -> None:
    """The counters are of one moment, and the rows are those of the page; they may be of a moment later."""
    assert sum(page["counts"].values()) == page["total"]
    first = (page["page"] - 1) * PAGE_SIZE + 1
    shown = [item["job_seq"] for item in page["items"]]
    assert shown == list(range(first, first + len(shown)))
    assert len(shown) >= min(PAGE_SIZE, page["total"] - first + 1)
