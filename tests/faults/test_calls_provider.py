"""An OutboundBot that is away, throttles, hangs, or loses its answers: pages answer, and nobody is called twice."""

import time

from local.running import eventually
from tests.campaigns import Campaigns, Timed
from tests.conftest import CALL_SYNC_SECONDS
from tests.observation import Observer
from tests.providing import Provider

BLOCK_JOBS = 99  # as many as the provider takes at once
FRESH, REFRESHING, UNAVAILABLE = "fresh", "stale, refreshing", "provider_unavailable"
AT_ONCE = 3.0  # seconds, however busy the machine is: a page takes some milliseconds
FAULTS = ("throttled", "500", "html", "drop", "lost_answer", "refused", "nonsense")


def test_a_provider_that_is_away_costs_only_time(campaigns: Campaigns, provider: Provider) -> None:
    # GIVEN a campaign in the middle of its calls
    provider.control(outbound={"call_seconds": 0.5, "call_lines": 1})
    running = campaigns.submit(30)
    eventually(lambda: campaigns.page(running)["counts"].get("Succeeded"))

    # WHEN the provider breaks connections and has a proxy's page for an answer, and another campaign is submitted
    provider.control(outbound={"call_lines": 0, "rates": {"drop": 0.5, "html": 0.5}})
    waiting = campaigns.submit(5)
    answers: list[Timed] = []

    def unavailable() -> bool:
        answers.append(campaigns.timed(running))
        return bool(answers[-1].page["freshness"] == UNAVAILABLE)

    eventually(unavailable)

    # THEN the pages say so, with what is known of their jobs, and take no longer than ever
    assert {answer.page["total"] for answer in answers} == {30}
    assert [item["job_seq"] for item in answers[-1].page["items"]] == list(range(1, 21))
    assert max(answer.seconds for answer in answers) < AT_ONCE
    assert campaigns.page(waiting)["total"] == 0

    # AND when it is back, both campaigns go on to their end
    provider.control(outbound={"call_seconds": 0.2})
    for task_id in (running, waiting):
        campaigns.ended(task_id, hurry=True)
        campaigns.assert_done(task_id)


def test_answers_that_are_lost_have_nobody_called_twice(campaigns: Campaigns, provider: Provider) -> None:
    # GIVEN a provider that does all it is asked, whose answers to the first call and to every AssignJobs are lost
    provider.control(outbound={"script": ["lost_answer"], "fail_keys": {"AssignJobs": "lost_answer"}, "call_lines": 0})

    # WHEN a campaign of two batches is handed over, which lie on two of the provider's pages
    count = BLOCK_JOBS + 2
    task_id = campaigns.submit(count)
    campaigns.hand_over(task_id, count)

    # THEN each batch was assigned once and found again, by its leads
    assert provider.calls("CreateJobGroup")["by_outcome"] == {"lost_answer": 1, "ok": 1}
    assert provider.calls("AssignJobs")["by_outcome"] == {"lost_answer": 2}
    assert provider.calls("ListJobsByGroup")["by_outcome"] == {"ok": 3}
    campaigns.assert_nobody_called_twice(task_id)
    assert sum(campaigns.dialled().values()) == count
    campaigns.assert_counted(task_id)


def test_a_provider_that_throttles_is_asked_no_more_often(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN two blocks of jobs that wait for a line
    count = BLOCK_JOBS + 11
    provider.control(outbound={"call_lines": 0})
    task_id = campaigns.submit(count)
    eventually(lambda: campaigns.assigned(task_id) == count)
    observer.settle()

    # WHEN the provider throttles, while readers and messages want them synced again and again
    provider.control(outbound={"call_lines": 0, "fail_keys": {"ListJobs": "throttled"}})
    before = provider.calls("ListJobs")["by_key"]
    started = time.monotonic()
    while time.monotonic() < started + 2.5 * CALL_SYNC_SECONDS:
        campaigns.send("SyncQueue", {"task_id": task_id, "blocks": [0, 1]}, {"task_id": task_id, "blocks": [1, 0]})
        campaigns.pages(task_id)
    asked = provider.calls("ListJobs")
    seconds = time.monotonic() - started

    # THEN it was asked for each block no more often than ever
    times = [number - before.get(key, 0) for key, number in asked["by_key"].items()]
    assert len(times) == 2
    assert 0 < min(times) <= max(times) <= seconds / CALL_SYNC_SECONDS + 1
    assert asked["by_outcome"]["throttled"] == sum(times)

    # AND when it has had enough, the pages are fresh again
    provider.control(outbound={"call_lines": 0})

    def fresh() -> bool:
        campaigns.mend()
        return {page["freshness"] for page in campaigns.pages(task_id)} == {FRESH}

    eventually(fresh)
    campaigns.assert_nobody_called_twice(task_id)
    campaigns.assert_counted(task_id)


def test_a_provider_that_hangs_slows_no_page(campaigns: Campaigns, observer: Observer, provider: Provider) -> None:
    # GIVEN jobs that somebody waits to be told of, for ten seconds
    provider.control(outbound={"call_lines": 0, "slow_keys": {"ListJobs": 10_000}})
    task_id = campaigns.submit(20)
    eventually(lambda: provider.calls("ListJobs")["count"])

    # WHEN pages are read, THEN they answer at once
    answers = [campaigns.timed(task_id) for _ in range(5)]
    assert observer.stack.pids("SyncJobs", busy=True)
    assert {answer.page["total"] for answer in answers} == {20}
    assert max(answer.seconds for answer in answers) < AT_ONCE

    # AND one that waits for the provider does so for three seconds, and says that this was not enough
    campaigns.make_due(task_id)
    page, seconds = campaigns.timed(task_id, wait_for_sync=True)
    assert (page["waited"], page["cache"], page["total"]) == ("cut_short", "bypass", 20)
    assert page["freshness"] in (REFRESHING, UNAVAILABLE)
    assert seconds < 3.5 + AT_ONCE


def test_who_waits_while_another_asks_is_not_told_that_the_page_is_synced(
    campaigns: Campaigns, provider: Provider
) -> None:
    # GIVEN a stale page, for whose jobs somebody else is asking, in vain
    provider.control(outbound={"call_lines": 0, "slow_keys": {"ListJobs": 10_000}})
    task_id = campaigns.submit(20)
    eventually(lambda: campaigns.assigned(task_id) == 20 and campaigns.page(task_id)["freshness"] != FRESH)
    campaigns.make_due(task_id, seconds=60)

    # WHEN it is asked for by one who waits
    page = campaigns.page(task_id, wait_for_sync=True)

    # THEN he is told that it is not synced
    assert page["freshness"] in (REFRESHING, UNAVAILABLE)
    assert page["waited"] == "cut_short"


def test_a_provider_that_fails_in_every_way_costs_only_time(campaigns: Campaigns, provider: Provider) -> None:
    # GIVEN a provider of whose answers every second goes wrong, each in a way of its own
    provider.control(outbound={"call_seconds": 0.3, "rates": dict.fromkeys(FAULTS, 0.07)})

    # WHEN a campaign runs whose leads come a few at a time
    task_id = campaigns.submit(3, open=True)
    for last in (False, False, True):
        count = campaigns.add(task_id, 4, last=last)
        campaigns.hand_over(task_id, count)
    campaigns.ended(task_id, hurry=True)

    # THEN all of it was done, and none of it twice
    assert len(provider.calls()["by_outcome"].keys() & set(FAULTS)) >= 3
    campaigns.assert_done(task_id)
