"""A workload for the tests on a running stack: items that take their time, fail, wait, are completed from outside."""

import time
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from longhaul.errors import PermanentError
from longhaul.workloads import Item, Later, StepContext, TaskContext, Workload


class Waiting(BaseModel):
    """`seconds` each item takes; `later`: it waits so long once; those of `bad` fail in the first attempt."""

    items: int = Field(ge=0, le=100_000)
    seconds: float = 0
    later: int = 0
    bad: list[int] = Field(default_factory=list, max_length=100)
    approve: bool = False
    sign: bool = False


waiting = Workload("waiting", params=Waiting, in_flight=4, batch=5)


@waiting.stage
def work(task: TaskContext[Waiting]) -> Iterable[Item]:
    for number in range(task.params.items):
        yield Item(f"{number:06d}", label=f"item {number}", input={"number": number})


@work.step(timeout=30, retries=1)
def do_work(step: StepContext[Waiting]) -> dict[str, Any]:
    number = step.input["number"]
    time.sleep(step.params.seconds)
    if number in step.params.bad and step.attempt == 1:
        raise PermanentError(f"item {number} is bad")
    if step.params.later and step.once("looks", lambda: time.time()) > time.time() - step.params.later:
        raise Later(seconds=step.params.later)
    return {"square": number**2}


@waiting.step
def sign(step: StepContext[Waiting]) -> dict[str, Any]:
    if not step.params.sign:
        return {}
    callback = step.callback(timeout=600)
    if callback.body is None:
        step.once("path", lambda: callback.path)
        raise callback
    return dict(callback.body)


approving = Workload("approving", params=Waiting)


@approving.step
def draft(step: StepContext[Waiting]) -> dict[str, Any]:
    return {"text": "a draft"}


approving.approval("editor", "Publish the draft?")


@approving.step
def publish(step: StepContext[Waiting]) -> dict[str, Any]:
    return {"published": next(step.outputs("draft")).output["text"]}
