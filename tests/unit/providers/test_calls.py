"""OutboundBot's stand-in under a clock of the test: when calls are made, how they end, what is said in them."""

from collections import Counter
from datetime import date
from typing import Any

import pytest

from local.providers.conversations import WHENS, analysis, conversation, mood
from local.providers.faults import Outbound
from local.providers.outbound.calls import CALLING_NUMBER, ENDINGS, Contact, Group, Job, ending
from local.providers.outbound.lines import Instance, World

CONNECTED = [one.status for one in ENDINGS if not one.failure]
TODAY = date(2026, 11, 24)  # a Tuesday


class Line:
    """An instance with a clock that we set, and the jobs we gave it."""

    def __init__(self, jobs: int, **plan: Any) -> None:
        self.time = 1000.0
        self.plan = Outbound(**plan)
        self.world = World(lambda: self.plan, lambda: self.time)
        self.instance: Instance = self.world.make_instance("i")
        group = Group("g", "", "s", [CALLING_NUMBER], self.time)
        self.jobs = [Job(group, Contact("n", "p", f"line-{n}"), [], self.time) for n in range(jobs)]
        self.instance.assign(self.jobs)

    def at(self, seconds: float) -> list[str]:
        self.time = 1000 + seconds
        self.instance.advance()
        return [job.status for job in self.jobs]

    def calls(self) -> list[tuple[float, float, str]]:
        return [(job.call.began, job.call.ends, job.call.status) for job in self.jobs if job.call]


def test_never_more_calls_than_lines_and_nothing_goes_back() -> None:
    line = Line(200, call_lines=7, call_seconds=2)
    seen = line.at(0)
    for step in range(1, 700):
        now = line.at(step / 10)
        assert now.count("Executing") <= 7
        assert "Scheduling" not in now or now.count("Executing") == 7
        assert all(new == old for old, new in zip(seen, now, strict=True) if old in ("Succeeded", "Failed"))
        seen = now
    assert set(seen) == {"Succeeded", "Failed"}
    took = [ends - began for began, ends, _ in line.calls()]
    assert 1 <= min(took) < 1.3 < 2.7 < max(took) <= 3


def test_it_does_not_matter_how_often_one_asks() -> None:
    often, once = Line(200, call_lines=7, call_seconds=2), Line(200, call_lines=7, call_seconds=2)
    for step in range(1000):
        often.at(step / 10)
    once.at(99.9)
    assert often.calls() == once.calls()
    assert len(once.calls()) == 200


def test_a_call_that_is_cut_off_frees_its_line() -> None:
    line = Line(3, call_lines=1, call_seconds=10)
    assert line.at(1) == ["Executing", "Scheduling", "Scheduling"]
    line.instance.cancel(line.jobs[:1])
    assert line.at(1) == ["Cancelled", "Executing", "Scheduling"]
    assert line.calls() == [(1000, 1001, "Cancelled"), (1001, line.calls()[1][1], "Executing")]
    assert line.at(99) == ["Cancelled", *(_final(f"line-{n}") for n in (1, 2))]


def test_a_paused_job_is_not_called_however_long_it_takes() -> None:
    line = Line(2, call_lines=1, call_seconds=1)
    line.at(0)
    line.instance.suspend(line.jobs)
    assert line.at(1000) == [_final("line-0"), "Paused"]
    line.instance.resume(line.jobs)
    assert line.at(1000.1) == [_final("line-0"), "Executing"]
    assert line.calls()[1][0] == 2000


def test_without_lines_all_wait_and_with_them_they_are_called_from_then_on() -> None:
    line = Line(2, call_lines=0)
    assert line.at(50) == ["Scheduling", "Scheduling"]
    line.plan = Outbound()
    assert line.at(50) == ["Executing", "Executing"]
    assert {began for began, _, _ in line.calls()} == {1050}


def _final(who: str) -> str:
    return "Failed" if ending(who).failure else "Succeeded"


def test_calls_end_at_their_shares_and_the_seed_decides() -> None:
    references = [f"share-{n}" for n in range(5000)]
    counts = Counter(ending(one).status for one in references)
    for one in ENDINGS:
        assert counts[one.status] == pytest.approx(5000 * one.share, rel=0.35)
    assert [ending(one, 1) for one in references] == [ending(one, 1) for one in references]
    assert [ending(one, 1) for one in references] != [ending(one, 2) for one in references]


@pytest.mark.parametrize("status", CONNECTED)
def test_the_model_reads_a_conversation_as_it_was_meant(status: str) -> None:
    for n in range(400):
        lines = conversation(f"said-{n}", "李雷", status)
        assert 6 <= len(lines) <= 12
        assert [speaker for speaker, _ in lines] == ["Robot", "Contact"] * (len(lines) // 2)
        assert not any(mark in text for _, text in lines for mark in "{}")
        wants, result = mood(f"said-{n}", status), analysis(lines, TODAY)
        assert result["is_interested"] == (wants in ("visit", "callback", "keen"))
        assert result["is_arrive"] == (wants == "visit")
        assert (result["next_follow_time"] is not None) == (wants in ("visit", "callback"))
        assert result["leads_remark"].endswith("。")


def test_two_in_five_are_interested() -> None:
    called = [(who, ending(who).status) for who in (f"asked-{n}" for n in range(3000))]
    moods = Counter(mood(who, status) for who, status in called if status in CONNECTED)
    assert (moods["visit"] + moods["callback"] + moods["keen"]) / moods.total() == pytest.approx(0.4, abs=0.04)
    assert min(moods["visit"], moods["callback"], moods["keen"], moods["unclear"]) > 50


@pytest.mark.parametrize(
    ("today", "times"),
    [
        (TODAY, ["11-25T10", "11-26T15", "11-28T10", "11-29T14", "11-30T19"]),
        (date(2026, 11, 28), ["11-29T10", "11-30T15", "12-05T10", "11-29T14", "11-30T19"]),  # a Saturday
        (date(2026, 11, 30), ["12-01T10", "12-02T15", "12-05T10", "12-06T14", "12-07T19"]),  # a Monday
    ],
)
def test_times_are_as_people_mean_them(today: date, times: list[str]) -> None:
    found = [analysis([("Contact", f"{when.phrase}我到店里看看。")], today)["next_follow_time"] for when in WHENS]
    assert found == [f"2026-{time}:00:00" for time in times]
