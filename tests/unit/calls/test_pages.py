"""Pages without a database: what reading one imports, its typed entry in the cache, and the state of a recording."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from calls.freshness import Age, Freshness
from calls.model import JobStatus, Line, Outcome
from calls.page_store import Call, FollowUp
from calls.pages import _ENTRY, Content, Page, Span
from calls.wire import CallItem, FollowData, write_page
from longhaul.database.chunks import dumps
from longhaul.tasks.model import Status

CALL = Call(
    job_seq=1,
    leads_id="L-1",
    name="王女士",
    phone="+8613800138000",
    call_job_id="job-1",
    call_status=JobStatus.SUCCEEDED,
    call_result="SucceededFinish",
    outcome=Outcome.CONNECTED,
    planed_time=None,
    actual_time="2026-11-29T10:11:12.000Z",
    duration_ms=9000,
    call_task_id="call-1",
    call_conversation=(Line("Robot", "您好", 1795947072500),),
    calling_number="057112345",
    recording_url=None,
    recording_state=None,
    is_interested=True,
    leads_follow_id=None,
    follow_data=None,
)


def test_a_read_without_waiting_imports_nothing_of_the_provider_and_no_http() -> None:
    """`provider_wait` is the one branch that leads there, and `wire` the one that speaks HTTP."""
    script = (
        "import sys, calls.pages; print(*(name for name in sys.modules if name.startswith(('calls.', 'longhaul.'))))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in printed if name.startswith("calls.")} == {
        "calls.freshness",
        "calls.messages",
        "calls.model",
        "calls.page_store",
        "calls.pages",
    }
    assert [name for name in printed if name.startswith("longhaul.http")] == []


def test_an_entry_is_json_and_gives_the_same_page() -> None:
    content = Content(Status.RUNNING, 3, 2, {"Succeeded": 1}, 1795947072.5, [0], [1], "[]")
    entry: Any = _ENTRY.dump_python(content, mode="json")
    assert _ENTRY.validate_python(json.loads(json.dumps(entry))) == content


def test_a_call_is_written_as_it_is_on_the_wire() -> None:
    follow_up = FollowUp(7, "L-1", None, "改天", None, None, None, True, None)
    document = json.loads(json.dumps(replace(CALL, follow_data=follow_up, leads_follow_id=7).document("https://link")))
    assert set(document) == set(CallItem.model_fields)
    assert set(document["follow_data"]) == set(FollowData.model_fields)
    item = CallItem.model_validate(document)
    assert item.recording_url == "https://link"
    assert item.recording_status == "pending"
    assert item.call_conversation is not None
    assert item.call_conversation[0].model_dump() == {"speaker": "Robot", "script": "您好", "at": 1795947072500}


def test_what_is_skipped_is_a_recording_and_never_a_word_of_a_conversation() -> None:
    said = 'He said "recording_status":"pending" and hung up'
    call = replace(CALL, call_conversation=(Line("Contact", said, 1),))
    content = Content(Status.RUNNING, 1, 1, {}, None, [], [1], dumps([call.document(None)]))
    page = Page(Span("T", 1, 20), content, Age(Freshness.fresh, None, ()), {}, "hit")
    for skip, status in ((True, "skipped"), (False, "pending")):
        (item,) = json.loads(write_page(page, skip_recording=skip)[0])["items"]
        assert item["recording_status"] == status
        assert item["call_conversation"][0]["script"] == said


@pytest.mark.parametrize(
    ("changes", "recording"),
    [
        ({}, "pending"),
        ({"recording_state": "wanted"}, "pending"),
        ({"recording_state": "none"}, "none"),
        ({"call_status": JobStatus.FAILED}, "none"),
        ({"recording_url": "http://old.example/1.mp3", "call_status": JobStatus.FAILED}, "ready"),
    ],
)
def test_the_state_of_a_recording(changes: dict[str, Any], recording: str) -> None:
    assert replace(CALL, **changes).recording == recording


@pytest.mark.parametrize(
    ("first", "size", "page", "last", "blocks"),
    [(1, 20, 1, 20, [0]), (81, 20, 5, 100, [0, 1]), (101, 100, 2, 200, [1, 2])],
)
def test_a_span(first: int, size: int, page: int, last: int, blocks: list[int]) -> None:
    span = Span("T", first, size)
    assert (span.page, span.last, list(span.blocks)) == (page, last, blocks)
