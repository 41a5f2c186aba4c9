"""Pages without a database: what reading one imports, its typed entry in the cache, and the state of a recording."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from calls.model import JobStatus, Line, Outcome
from calls.page_store import Call
from calls.pages import _ENTRY, Content, Span
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
    content = Content(Status.RUNNING, 3, 2, {"Succeeded": 1}, 1795947072.5, [0], [CALL])
    entry: Any = _ENTRY.dump_python(content, mode="json")
    assert entry["items"][0]["call_conversation"] == [{"speaker": "Robot", "script": "您好", "at": 1795947072500}]
    assert _ENTRY.validate_python(entry) == content


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
