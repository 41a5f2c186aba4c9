"""A campaign through the whole chain: what it makes of its leads, what its pages say, what its caller may change."""

import io
import wave
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from calls.model import JobStatus, Outcome, outcome_of
from local.providers.outbound.recordings import tone
from local.running import Answer, eventually, send
from tests.observation import PAGE, Observer, Row
from tests.providing import Provider

QUICK = {"call_seconds": 0.5}
SLOW = {"call_seconds": 1.2, "call_lines": 2}  # two at a time: a campaign can be met in the middle


def leads(count: int, *, start: int = 1) -> list[Row]:
    return [{"leads_id": f"L-{n}", "phone": f"138{n:08}", "name": f"客户{n}"} for n in range(start, start + count)]


def dialled(observer: Observer) -> Counter[str]:
    """How often the provider has called each lead, or will."""
    answer = send(f"{observer.stack.provider_url}/calls/dialled", "GET", None, {}, 5)
    rows = observer.sql("SELECT id, leads_id FROM leads_task_list")
    by_reference = {str(row["id"]): row["leads_id"] for row in rows}
    return Counter({by_reference[reference]: times for reference, times in answer.json().items()})


def rows_of(observer: Observer, task_id: str) -> list[Row]:
    return observer.sql("SELECT * FROM leads_task_list WHERE task_id = %s ORDER BY job_seq", task_id)


def recounted(rows: Sequence[Row]) -> Row:
    """What the result of a campaign with these rows has to be."""
    outcomes = Counter(outcome_of(row["call_result"]) for row in rows)
    return {
        "leads": len(rows),
        "final": sum(JobStatus(row["call_status"]).is_final for row in rows),
        **{str(outcome): outcomes[outcome] for outcome in Outcome if outcome != Outcome.CALLING},
        "interested": sum(row["is_interested"] or 0 for row in rows),
        "followed": sum(row["leads_follow_id"] is not None for row in rows),
        "talk_seconds": sum(row["duration_ms"] for row in rows) // 1000,
    }


def by_number(observer: Observer, task_id: str, size: int) -> Iterator[Row]:
    """All pages, one number after the other."""
    page = observer.page(task_id, page_size=size)
    yield page
    for number in range(2, page["pages"] + 1):
        yield observer.page(task_id, page=number, page_size=size)


def by_cursor(observer: Observer, task_id: str, size: int) -> Iterator[Row]:
    """All pages, each by the cursor of the one before."""
    page = observer.page(task_id, page_size=size)
    yield page
    while page["next_cursor"]:
        page = observer.page(task_id, cursor=page["next_cursor"])
        yield page


def all_followed(observer: Observer, calls: int) -> bool:
    """Whether so many calls have been followed up, which is the last that happens to one."""
    return len(observer.sql("SELECT id FROM dcc_leads_follow")) == calls


def over(page: Row, calls: int) -> Row | None:
    """The page, once its campaign has so many calls and each of them is over."""
    final = sum(number for status, number in page["counts"].items() if JobStatus(status).is_final)
    return page if final == page["total"] == calls else None


def suspended(page: Row) -> int:
    """How many wait at the provider, once nobody is being called; before that none."""
    counts = page["counts"]
    return 0 if counts.keys() & {"Scheduling", "Executing"} else int(counts.get("Paused", 0))


def test_a_campaign_calls_each_lead_once_and_counts_what_came_of_it(observer: Observer, provider: Provider) -> None:
    # GIVEN thirty leads
    provider.control(outbound=QUICK)
    given = leads(30)

    # WHEN a campaign has called them
    task_id = observer.call(given)
    with observer.watching(task_id) as watch:
        task = observer.ended(task_id)

    # THEN the task says so, and has never counted back
    assert (task["status"], task["progress"], task["attempt"], task["error"]) == ("SUCCEEDED", 100, 1, None)
    assert (task["title"], observer.events(task_id)) == ("外呼：秋季回访", ["started", "succeeded"])
    watch.assert_never_back()

    # AND its result is what the rows say, in whom it has reached, judged and followed up: everybody
    rows = rows_of(observer, task_id)
    assert task["result"] == recounted(rows)
    assert (task["result"]["final"], task["result"]["followed"]) == (30, 30)
    assert [row["job_seq"] for row in rows] == list(range(1, 31))
    assert {row["is_interested"] for row in rows if row["call_conversation"] is None} == {None}
    assert {row["is_interested"] for row in rows if row["call_conversation"]} == {0, 1}

    # AND nobody was called twice, nor followed up twice
    ids = {lead["leads_id"] for lead in given}
    assert dialled(observer) == Counter(ids)
    follow_ups = observer.sql("SELECT id, leads_id FROM dcc_leads_follow")
    assert {row["leads_id"]: row["id"] for row in follow_ups} == {
        row["leads_id"]: row["leads_follow_id"] for row in rows
    }
    assert Counter(row["leads_id"] for row in follow_ups) == Counter(ids)


def test_pages_show_each_call_once_by_number_and_by_cursor(observer: Observer, provider: Provider) -> None:
    # GIVEN a campaign that has ended
    provider.control(outbound=QUICK)
    task_id = observer.call(leads(23))
    observer.ended(task_id)
    rows = rows_of(observer, task_id)

    # WHEN it is walked in pages of ten, by number and by cursor
    numbered, followed = list(by_number(observer, task_id, 10)), list(by_cursor(observer, task_id, 10))

    # THEN both have every call once, in its order, and each page says of the whole what the rows say
    for walked in (numbered, followed):
        calls = [call for page in walked for call in page["items"]]
        assert [len(page["items"]) for page in walked] == [10, 10, 3]
        assert [call["leads_id"] for call in calls] == [f"L-{n}" for n in range(1, 24)]
        assert [call["call_status"] for call in calls] == [row["call_status"] for row in rows]
        assert [call["call_result"] for call in calls] == [row["call_result"] for row in rows]
        assert [call["follow_data"]["id"] for call in calls] == [row["leads_follow_id"] for row in rows]
    for page in numbered + followed:
        assert (page["status"], page["freshness"], page["total"], page["pages"]) == ("SUCCEEDED", "fresh", 23, 3)
        assert page["counts"] == Counter(row["call_status"] for row in rows)
    assert [page["items"] for page in numbered] == [page["items"] for page in followed]

    # AND beyond the end there is nothing, but still the total
    beyond = observer.page(task_id, page=4, page_size=10)
    assert (beyond["items"], beyond["total"], beyond["next_cursor"]) == ([], 23, None)


@pytest.mark.parametrize(
    "cached",
    [True, False],
)
def test_a_page_that_has_not_changed_is_not_sent_again(observer: Observer, provider: Provider, cached: bool) -> None:
    # GIVEN the page of a campaign that waits for more leads, in the cache or not
    provider.control(outbound=QUICK)
    task_id = observer.call(leads(3), open=True)
    eventually(lambda: all_followed(observer, 3))
    if cached:
        observer.page(task_id)

    def read(etag: str = "") -> Answer:
        return observer.request("POST", PAGE, json={"task_id": task_id}, headers={"If-None-Match": etag})

    # WHEN it is read
    first = read()
    assert first.status == 200

    # THEN to one who has it there is nothing to send
    again = read(first.headers["etag"])
    assert (again.status, again.body) == (304, b"")

    # AND when it has changed there is
    observer.post(f"/api/v1/campaigns/{task_id}/leads", {"leads": leads(1, start=4)})
    changed = read(first.headers["etag"])
    assert (changed.status, changed.json()["leads"]) == (200, 4)


def test_recordings_are_fetched_for_who_asks_and_play(observer: Observer, provider: Provider) -> None:
    # GIVEN a campaign that has ended, whose recordings nobody has asked for
    provider.control(outbound=QUICK)
    task_id = observer.call(leads(12))
    observer.ended(task_id)
    connected = {row["job_seq"] for row in rows_of(observer, task_id) if row["call_status"] == "Succeeded"}
    assert connected

    def statuses(**asked: Any) -> dict[int, str]:
        return {call["job_seq"]: call["recording_status"] for call in observer.page(task_id, **asked)["items"]}

    assert statuses() == {seq: "skipped" if seq in connected else "none" for seq in range(1, 13)}
    assert provider.calls("DownloadRecording")["count"] == 0

    # WHEN somebody asks for them, THEN those of connected calls come
    assert set(statuses(skip_recording=False).values()) <= {"pending", "ready", "none"}
    ready = {seq: "ready" if seq in connected else "none" for seq in range(1, 13)}
    eventually(lambda: statuses(skip_recording=False) == ready)

    # AND each was fetched once, and is by its link what was said in that call, and plays
    calls = [call for call in observer.page(task_id)["items"] if call["recording_url"]]
    assert provider.calls("recording")["by_key"] == dict.fromkeys((call["call_task_id"] for call in calls), 1)
    for call in calls:
        sound = send(call["recording_url"], "GET", None, {}, 10)
        assert (sound.status, sound.headers["content-type"]) == (200, "audio/wav")
        assert sound.body == tone(call["call_task_id"])
        with wave.open(io.BytesIO(sound.body)) as played:
            assert played.getnframes() / played.getframerate() > 1


def test_leads_are_added_while_it_runs_until_the_last(observer: Observer, provider: Provider) -> None:
    # GIVEN a campaign that is open for more leads, and has called those it has
    provider.control(outbound=QUICK)
    task_id = observer.call(leads(5), open=True)
    more = f"/api/v1/campaigns/{task_id}/leads"
    eventually(lambda: over(observer.page(task_id), 5))

    # WHEN more come than one batch takes, some of which it has: by id, by number however written, twice in the page
    known = [
        {"leads_id": "L-1", "phone": "13900000001"},
        {"leads_id": "L-7001", "phone": "+86 138 0000 0002"},
        {"leads_id": "L-6", "phone": "13900000003"},
    ]
    added = observer.post(more, {"leads": leads(115, start=6) + known})

    # THEN they are told apart, and the campaign is not done yet
    assert (added["added"], added["leads"]) == (115, 120)
    assert added["duplicates"] == [
        {"index": 115, "leads_id": "L-1", "field": "leads_id"},
        {"index": 116, "leads_id": "L-7001", "field": "phone"},
        {"index": 117, "leads_id": "L-6", "field": "leads_id"},
    ]
    eventually(lambda: observer.page(task_id)["total"] == 120)
    assert observer.read(task_id)["status"] == "RUNNING"

    # AND with the last page, which may be empty, it comes to its end: each lead was called once
    assert observer.post(more, {"last": True}) == {"added": 0, "leads": 120, "duplicates": []}
    task = observer.ended(task_id)
    assert task["status"] == "SUCCEEDED"
    assert task["result"] == recounted(rows_of(observer, task_id))
    assert dialled(observer) == Counter(f"L-{n}" for n in range(1, 121))

    # AND it takes no more
    refused = observer.request("POST", more, json={"leads": leads(1, start=500)})
    assert (refused.status, refused.json()["code"]) == (409, "campaign_closed")


def test_pausing_suspends_the_calls_and_resuming_goes_on(observer: Observer, provider: Provider) -> None:
    # GIVEN a campaign in the middle of its calls
    provider.control(outbound=SLOW)
    task_id = observer.call(leads(20))
    eventually(lambda: observer.page(task_id)["counts"].get("Succeeded"))

    # WHEN it is paused
    assert observer.steer(task_id, "pause").json()["status"] == "PAUSED"

    # THEN the provider is told, once, and whoever was not called yet waits
    waiting = eventually(lambda: suspended(observer.page(task_id)))
    assert provider.calls("SuspendJobs")["by_outcome"] == {"ok": 1}
    assert 0 < waiting < 20
    assert observer.read(task_id)["status"] == "PAUSED"

    # AND when it is resumed they are called, and nobody else again
    assert observer.steer(task_id, "resume").json()["status"] in ("PENDING", "RUNNING")
    task = observer.ended(task_id)
    assert provider.calls("ResumeJobs")["by_outcome"] == {"ok": 1}
    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 2)
    assert task["result"] == recounted(rows_of(observer, task_id))
    assert dialled(observer) == Counter(f"L-{n}" for n in range(1, 21))


def test_cancelling_cancels_the_calls(observer: Observer, provider: Provider) -> None:
    # GIVEN a campaign in the middle of its calls
    provider.control(outbound=SLOW)
    task_id = observer.call(leads(20))
    eventually(lambda: observer.page(task_id)["counts"].get("Succeeded"))

    # WHEN it is cancelled
    assert observer.cancel(task_id).json()["status"] == "CANCELLED"

    # THEN the provider is told, once, and the pages come to say of each call that it is over
    page = eventually(lambda: over(observer.page(task_id), 20))
    assert provider.calls("CancelJobs")["by_outcome"] == {"ok": 1}
    assert (page["status"], page["counts"]["Cancelled"] > 0) == ("CANCELLED", True)
    counted = Counter(row["call_status"] for row in rows_of(observer, task_id))
    assert page["counts"] == counted

    # AND nobody is called any more who was not
    called = Counter(row["leads_id"] for row in rows_of(observer, task_id) if row["call_task_id"])
    assert dialled(observer) == called
    assert observer.events(task_id) == ["started", "cancelled"]
