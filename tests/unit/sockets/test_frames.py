"""The protocol's frames, without anything behind them."""

import json
from typing import Any

import pytest

from longhaul.errors import DatabaseUnavailable, LonghaulError, NotFound, UnknownKind
from longhaul.tasks.model import Status
from longhaul.tasks.notices import PROGRESS, Addressed, Notice, NoticeData, sequence_of
from sockets import frames
from sockets.delivery import current
from sockets.frames import MAX_REQUEST_BYTES, FrameError, Ping, Subscribe, Unsubscribe
from sockets.model import Topic

SEQUENCE = "0000000000004711.00000003"


@pytest.mark.parametrize(
    ("given", "topic"),
    [
        ({"task_id": "t-1"}, Topic("task_id", "t-1")),
        ({"kind": "call_campaign"}, Topic("kind", "call_campaign")),
        ({"all": True}, Topic("all")),
    ],
)
def test_a_subscription_names_one_topic(given: dict[str, Any], topic: Topic) -> None:
    asked = frames.parse(json.dumps({"action": "subscribe", "last_sequence": SEQUENCE, "id": "1", **given}))
    ended = frames.parse(json.dumps({"action": "unsubscribe", **given}))

    assert isinstance(asked, Subscribe)
    assert (asked.topic, asked.last_sequence, asked.id) == (topic, SEQUENCE, "1")
    assert isinstance(ended, Unsubscribe)
    assert (ended.topic, ended.id) == (topic, None)
    assert topic.frame == given
    assert Topic.parse(topic.key) == topic


def test_a_ping_is_answered_with_its_id() -> None:
    asked = frames.parse('{"action": "ping", "id": "p"}')

    assert isinstance(asked, Ping)
    assert frames.pong(asked) == {"type": "pong", "id": "p"}


SUBSCRIBE = {"action": "subscribe", "id": "7"}


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        (SUBSCRIBE, "invalid", "name one of"),
        (SUBSCRIBE | {"task_id": "a", "kind": "b"}, "invalid", "name one of"),
        (SUBSCRIBE | {"all": False}, "invalid", "all: Input should be True"),
        (SUBSCRIBE | {"task_id": ""}, "invalid", "task_id: String should have at least 1"),
        (SUBSCRIBE | {"task_id": "a" * 97}, "invalid", "task_id: String should have at most 96"),
        (SUBSCRIBE | {"kind": "a" * 65}, "invalid", "kind: String should have at most 64"),
        (SUBSCRIBE | {"task_id": 7}, "invalid", "task_id: Input should be a valid string"),
        (SUBSCRIBE | {"all": True, "last_sequence": "12"}, "invalid", "last_sequence: "),
        (SUBSCRIBE | {"all": True, "last_sequence": f"{SEQUENCE}\n"}, "invalid", "last_sequence: "),
        (SUBSCRIBE | {"all": True, "kinds": []}, "invalid", "kinds: Extra inputs"),
        ({"action": "unsubscribe", "all": True, "last_sequence": SEQUENCE, "id": "7"}, "invalid", "last_sequence: "),
        ({"action": "ping", "all": True, "id": "7"}, "invalid", "all: Extra"),
        ({"action": "shout", "id": "7"}, "unknown_action", "subscribe, unsubscribe, ping"),
        ({"action": ["ping"], "id": "7"}, "unknown_action", "subscribe, unsubscribe, ping"),
        ({"id": "7"}, "unknown_action", "subscribe"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_with_its_id(document: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(FrameError) as refused:
        frames.parse(json.dumps(document))

    told = frames.error(refused.value)
    assert (told["type"], told["code"], told["id"]) == ("error", code, "7")
    assert words in told["message"]
    assert len(frames.error(refused.value)["message"]) < 500


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("null", "malformed"),
        ('["action"]', "malformed"),
        ('{"action": "ping"', "malformed"),
        ('{"action": NaN}', "malformed"),
        ('{"action": "ping", "id": "\\ud800"}', "malformed"),
        ("[" * 4000, "malformed"),
        ('{"a":' * 700, "malformed"),
        (json.dumps({"action": "ping", "id": "x" * MAX_REQUEST_BYTES}), "too_large"),
        ("医" * (MAX_REQUEST_BYTES // 3 + 1), "too_large"),
        ("\ud800", "malformed"),
    ],
)
def test_what_is_no_request_is_refused(text: str, code: str) -> None:
    with pytest.raises(FrameError) as refused:
        frames.parse(text)

    assert refused.value.frame_code == code


@pytest.mark.parametrize("given", [7, "", "x" * 65, None, ["a"]])
def test_an_id_that_is_none_does_not_come_back(given: object) -> None:
    with pytest.raises(FrameError) as refused:
        frames.parse(json.dumps({"action": "shout", "id": given}))

    assert "id" not in frames.error(refused.value)


@pytest.mark.parametrize(
    ("problem", "code", "message"),
    [
        (NotFound("There is no task t-1."), "not_found", "There is no task t-1."),
        (UnknownKind(errors=[{"pointer": "/kind", "detail": "no kind 'x'"}]), "unknown_kind", "no kind 'x'"),
        (DatabaseUnavailable("10.0.0.7 is away"), "unavailable", "Longhaul cannot do this now. Send it again in a few"),
        (LonghaulError("secret"), "internal_error", "Something went wrong on our side."),
    ],
)
def test_an_error_says_what_a_client_can_use(problem: LonghaulError, code: str, message: str) -> None:
    told = frames.error(problem, "7")

    assert (told["code"], told["id"]) == (code, "7")
    assert told["message"].startswith(message)


def notice(kind: str, event: int, steps: int = 0, task_id: str = "a", tenant_id: str = "acme") -> Addressed:
    sequence = sequence_of(event, steps)
    data = NoticeData(task_id=task_id, kind="k", title="t", status=Status.RUNNING, attempt=1, progress=1)
    made = Notice(id=sequence, type=kind, subject=task_id, time="t", sequence=sequence, traceparent=None, data=data)
    return Addressed(tenant_id=tenant_id, notice=made)


def test_progress_that_is_old_by_now_is_left_out_and_nothing_else() -> None:
    # GIVEN a storm of progress of one task, twice, and in no order
    started = notice("longhaul.task.started", 7)
    storm = [notice(PROGRESS, 7, steps) for steps in range(100)]
    newest = storm[-1]
    other, theirs = notice(PROGRESS, 5, 1, task_id="b"), notice(PROGRESS, 6, 1, tenant_id="other")

    # WHEN they are to be posted together
    kept = current([*storm[50:], other, theirs, *storm, started])

    # THEN of its progress the newest is left, and what happened to it
    assert [(one.tenant_id, one.notice) for one in kept] == [
        (one.tenant_id, one.notice) for one in (other, theirs, started, newest)
    ]


def test_progress_before_an_end_is_left_out() -> None:
    ended = notice("longhaul.task.succeeded", 8)

    assert current([notice(PROGRESS, 7, 40), ended]) == [ended]
