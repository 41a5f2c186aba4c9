"""The workload text_summaries, in this process: its models answer, throttle, and are away."""

from longhaul import testing
from longhaul.errors import ProviderThrottled
from longhaul.testing import Fail, Kill, Twice
from workloads.summaries import summaries

TEXTS = {"texts": [f"Text {number}. What follows is longer than the question that is asked." for number in range(2)]}


def test_each_text_has_a_summary() -> None:
    run = testing.run(summaries, TEXTS)
    assert run.status == "SUCCEEDED"
    assert run.outputs == {"text/00000": {"summary": "Text 0."}, "text/00001": {"summary": "Text 1."}}


def test_what_a_model_says_is_the_output() -> None:
    run = testing.run(summaries, TEXTS, answer=lambda prompt: {"summary": prompt[-4:]})
    assert run.outputs["text/00001"] == {"summary": "ked."}
    assert run.task.statistics["tokens"] > 0


def test_a_model_that_throttles_is_asked_again() -> None:
    run = testing.run(summaries, TEXTS, faults=[Fail("text/00001", times=3, error=ProviderThrottled())])
    assert (run.status, run.steps_run) == ("SUCCEEDED", 5)


def test_a_worker_that_dies_and_a_batch_that_comes_twice() -> None:
    run = testing.run(summaries, TEXTS, faults=[Kill("text/00000"), Twice("text/00001")])
    assert (run.status, run.steps_run) == ("SUCCEEDED", 2)
