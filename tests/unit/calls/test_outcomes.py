"""The provider's words and ours: each status that the SDK documents, and one that it does not document."""

import re
from pathlib import Path

import pytest
from alibabacloud_outboundbot20191226.models import _list_jobs_response_body

from calls import model
from calls.model import JobStatus, Outcome, outcome_of
from longhaul.observability import logger


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    monkeypatch.setattr(logger, "warning", lambda message, **_: seen.append(message))
    return seen


@pytest.mark.parametrize(
    ("status", "outcome", "words"),
    [
        ("Executing", "calling", "呼叫中"),
        ("SucceededFinish", "connected", "已接通"),
        ("SucceededClientHangUp", "connected", "已接通"),
        ("SucceededChatbotHangUpAfterNoAnswer", "connected", "已接通"),
        ("SucceededInSomeNewWay", "connected", "已接通"),
        ("NoAnswer", "no_answer", "无人接听"),
        ("Busy", "busy", "占线"),
        ("PoweredOff", "powered_off", "已关机"),
        ("OutOfService", "out_of_service", "已停机"),
        ("InArrearsNoCall", "out_of_service", "已停机"),
        ("EmptyNumber", "empty_number", "空号"),
        ("NotExist", "empty_number", "空号"),
        ("NotConnected", "not_connected", "无法接通"),
        ("Cancelled", "cancelled", "已取消"),
        ("Failed", "failed", "呼叫失败"),
    ],
)
def test_how_a_call_went(warned: list[str], status: str, outcome: str, words: str) -> None:
    assert outcome_of(status) == outcome
    assert outcome_of(status).words == words
    assert warned == []


@pytest.mark.parametrize("status", ["", "Vanished", "noanswer", "NotSucceeded"])
def test_an_unknown_status_counts_as_failed_and_is_told(warned: list[str], status: str) -> None:
    assert outcome_of(status) == Outcome.FAILED
    assert warned == ["unknown status of a call"]


def test_every_status_that_the_sdk_documents_is_known(warned: list[str]) -> None:
    text = Path(_list_jobs_response_body.__file__).read_text(encoding="utf-8")
    documented = re.findall(r"# - \*\*(\w+)\*\*: \d+ \(", text)
    assert len(documented) > 25
    for status in documented:
        outcome_of(status)
    assert warned == []
    assert model._OUTCOMES.keys() <= set(documented)


def test_every_outcome_has_words_of_its_own() -> None:
    assert len({outcome.words for outcome in Outcome}) == len(Outcome)


def test_which_jobs_are_over() -> None:
    assert [status for status in JobStatus if status.is_final] == ["Succeeded", "Failed", "Cancelled"]
    assert {"Scheduling", "Executing", "Paused", "Drafted"} < set(JobStatus)
