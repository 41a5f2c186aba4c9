"""Pages without a database: what reading one imports, its typed entry in the cache, and the state of a recording."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from calls.freshness import Age, Freshness
from calls.model import Outcome
from calls.page_store import recording_of, written
from calls.pages import _ENTRY, Content, Page, Span
from calls.wire import CallItem, FollowData, write_page
from longhaul.database.chunks import dumps
from longhaul.tasks.model import Status

ROW: dict[str, Any] = {
    "job_seq": 1,
    "leads_id": "L-1",
    "name": "王女士",
    "phone": "+8613800138000",
    "call_job_id": "job-1",
    "call_status": "Succeeded",
    "call_result": "SucceededFinish",
    "planed_time": None,
    "actual_time": datetime(2026, 11, 29, 10, 11, 12),
    "duration_ms": 9000,
    "call_task_id": "call-1",
    "call_conversation": '[{"speaker": "Robot", "script": "您好", "at": 1795947072500}]',
    "calling_number": "057112345",
    "recording_url": None,
    "recording_state": None,
    "is_interested": 1,
    "leads_follow_id": None,
    "follow_time": None,
    "leads_remark": None,
    "frist_follow_time": None,
    "new_follow_time": None,
    "next_follow_time": None,
    "is_arrive": None,
    "frist_arrive_time": None,
}


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
    assert [name for name in printed if name.startswith("longhaul.http.")] == []  # the package itself is deferred


def test_an_entry_is_json_and_gives_the_same_page() -> None:
    content = Content(Status.RUNNING, 3, 2, {"Succeeded": 1}, 1795947072.5, [0], [1], "[]")
    entry: Any = _ENTRY.dump_python(content, mode="json")
    assert _ENTRY.validate_python(json.loads(json.dumps(entry))) == content


def test_a_row_is_written_as_it_is_on_the_wire() -> None:
    row = ROW | {
        "leads_follow_id": 7,
        "leads_remark": "改天",
        "is_arrive": 0,
        "next_follow_time": datetime(2026, 12, 1),
    }
    item = CallItem.model_validate_json(text := written(row, "https://link"))
    assert set(json.loads(text)) == set(CallItem.model_fields)
    assert set(json.loads(text)["follow_data"]) == set(FollowData.model_fields)
    plain = {"planed_time", "actual_time", "call_conversation", "recording_url", "is_interested"}
    same = set(CallItem.model_fields) & set(row) - plain
    assert {name: getattr(item, name) for name in same} == {name: row[name] for name in same}
    assert (item.actual_time, item.planed_time) == (datetime(2026, 11, 29, 10, 11, 12, tzinfo=UTC), None)
    assert (item.outcome, item.is_interested, item.recording_status) == (Outcome.CONNECTED, True, "pending")
    assert item.recording_url == "https://link"
    assert item.call_conversation is not None
    assert item.call_conversation[0].model_dump() == {"speaker": "Robot", "script": "您好", "at": 1795947072500}
    assert item.follow_data is not None
    assert item.follow_data.model_dump(exclude_none=True) == {
        "id": 7,
        "leads_id": "L-1",
        "leads_remark": "改天",
        "is_arrive": False,
        "next_follow_time": datetime(2026, 12, 1, tzinfo=UTC),
    }


def test_what_is_skipped_is_a_recording_and_never_a_word_of_a_conversation() -> None:
    said = 'He said "recording_status":"pending" and hung up'
    row = ROW | {"call_conversation": dumps([{"speaker": "Contact", "script": said, "at": 1}])}
    content = Content(Status.RUNNING, 1, 1, {}, None, [], [1], f"[{written(row, None)}]")
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
        ({"call_status": "Failed"}, "none"),
        ({"recording_url": "http://old.example/1.mp3", "call_status": "Failed"}, "ready"),
    ],
)
def test_the_state_of_a_recording(changes: dict[str, Any], recording: str) -> None:
    assert recording_of(ROW | changes) == recording


@pytest.mark.parametrize(
    ("first", "size", "page", "last", "blocks"),
    [(1, 20, 1, 20, [0]), (81, 20, 5, 100, [0, 1]), (101, 100, 2, 200, [1, 2])],
)
def test_a_span(first: int, size: int, page: int, last: int, blocks: list[int]) -> None:
    span = Span("T", first, size)
    assert (span.page, span.last, list(span.blocks)) == (page, last, blocks)
