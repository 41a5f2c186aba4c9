"""Code-first workloads on the local stack: the time of a step, memory, and the histories of the executions."""

import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.refresh import Memory
from local.options import ROOT
from local.running import RunningStack, eventually, local_stack

MAX_SECONDS = 3_600.0
MACHINE = "RunWorkload"
HISTORY_LIMIT, STATE_LIMIT = 25_000, 256 * 1024  # events of an execution, bytes of a state
MANY = 100_000
USED = re.compile(r"Max Memory Used: (\d+) MB")
FUNCTIONS = ("plan_stage", "run_step", "update_progress", "finish_task")

type Event = dict[str, Any]  # of an execution's history


@contextmanager
def stack_with_instant(folder: Path) -> Iterator[RunningStack]:
    """A stack that has bench.instant among its workloads."""
    source = folder / "source"
    for name in ("functions", "layers/longhaul"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "bench" / "instant.py", source / "functions" / "workloads")
    template = Path(shutil.copy2(ROOT / "template.yaml", source))
    with local_stack(folder / "state", template=template) as stack:
        yield stack


def run(stack: RunningStack, kind: str, items: int) -> dict[str, Any]:
    """Run a task to its end. Returns it as the API shows it, with `wall_ms` a step from its start to its end."""
    task = stack.request("POST", "/api/v1/tasks", json={"kind": kind, "params": {"items": items}}).json()
    path = f"/api/v1/tasks/{task['task_id']}"

    def ended() -> dict[str, Any] | None:
        seen: dict[str, Any] = stack.request("GET", path).json()
        return seen if seen["status"] not in ("PENDING", "RUNNING") else None

    found = eventually(ended, MAX_SECONDS, 0.5)
    if found is None or found["status"] != "SUCCEEDED":
        raise SystemExit(f"bench: a task of {kind} ended otherwise: {found}")
    seconds = (
        datetime.fromisoformat(found["finished_at"]) - datetime.fromisoformat(found["started_at"])
    ).total_seconds()
    return found | {"seconds": seconds, "wall_ms": seconds / items * 1000}


def run_many(stack: RunningStack, items: int) -> dict[str, Any]:
    """Run a task of many items in batches of 100. Returns its time, memory, histories and states."""
    memory = Memory(stack.pid)
    memory.start()
    task = run(stack, "instant_100", items)
    machine, parent = _execution_of(stack, task["task_id"])
    events = _history(stack, parent)
    child = _history(stack, _run_child(stack, machine, task["task_id"]))
    return {
        "items": items,
        "load_average": round(os.getloadavg()[0], 1),
        "seconds": round(task["seconds"], 1),
        "stack_peak_mb": round(memory.peak),
        "memory_mb": {name: _memory(stack.logs / f"{name}.log") for name in FUNCTIONS},
        "parent": _summary(events),
        "child": _summary(child),
        "many": extrapolated(events, child),
    }


def extrapolated(parent: list[Event], child: list[Event]) -> dict[str, Any]:
    """For 100,000 items: pages and parent events by batch, the largest state, the events of a child that waits."""
    from longhaul.workloads.planning import PAGE_BATCHES, Page, Range
    from longhaul.workloads.running import ROUND_SECONDS

    asked = [at for at, event in enumerate(parent) if _entered(event) == "PlanStage"]
    page_events = asked[1] - asked[0]
    rest = len(parent) - page_events * (len(asked) - 1)
    last = [Range(first=at, last=at) for at in range(MANY - PAGE_BATCHES + 1, MANY + 1)]
    page = Page(next="run", stage="s" * 32, function="f" * 140, in_flight=1000, batches=last).model_dump()
    by_batch = {}
    for batch in (1, 10, 25, 100):
        pages = math.ceil(MANY / batch / PAGE_BATCHES)
        by_batch[str(batch)] = {"pages": pages, "parent_events": rest + pages * page_events}
    look = _events_of(child, "RunStep") + _events_of(child, "HasEnded") + 2  # and WaitUntilDue, entered and left
    return {
        "items": MANY,
        "events_a_page": page_events,
        "events_beside": rest,
        "by_batch": by_batch,
        "largest_page_bytes": len(json.dumps({"planned": {"page": page}})),
        "child_events_at_most": len(child) + ROUND_SECONDS * look,  # it looks once a second at most
    }


def _memory(log: Path) -> dict[str, int]:
    """The memory of a function's processes (RSS, MB): after the first call, and at most."""
    used = [int(found[1]) for found in USED.finditer(log.read_text(encoding="utf-8"))]
    return {"first": used[0], "most": max(used)}


def transitions(child: list[str]) -> int:
    """State transitions of a batch: AWS counts each state that is entered, and the start of each child execution."""
    return len(child) + 1


def _execution_of(stack: RunningStack, task_id: str) -> tuple[dict[str, Any], str]:
    """The state machine and the ARN of the task's execution."""
    states = stack.aws("stepfunctions")
    machines = states.list_state_machines()["stateMachines"]
    (found,) = [one for one in machines if MACHINE in one["name"]]
    pages = states.get_paginator("list_executions").paginate(stateMachineArn=found["stateMachineArn"])
    arns = [one["executionArn"] for page in pages for one in page["executions"]]
    (parent,) = [arn for arn in arns if task_id in states.describe_execution(executionArn=arn)["input"]]
    return states.describe_state_machine(stateMachineArn=found["stateMachineArn"]), parent


def _run_child(stack: RunningStack, machine: dict[str, Any], task_id: str) -> str:
    """The ARN of an execution of what the Map runs for a batch: the local AWS keeps no history of its own children."""
    states = stack.aws("stepfunctions")
    processor = json.loads(machine["definition"])["States"]["RunBatches"]["ItemProcessor"]
    processor.pop("ProcessorConfig")
    child = states.create_state_machine(name="OneBatch", definition=json.dumps(processor), roleArn=machine["roleArn"])[
        "stateMachineArn"
    ]
    deployed = stack.aws("lambda").list_functions()["Functions"]
    (function,) = [one["FunctionArn"] for one in deployed if "RunStep" in one["FunctionName"]]
    batch = {"task_id": task_id, "attempt": 1, "stage": "work", "function": function, "first": 1, "last": 100}
    started = states.start_execution(stateMachineArn=child, input=json.dumps(batch | {"outcome": {"until": 0}}))
    arn: str = started["executionArn"]
    eventually(lambda: states.describe_execution(executionArn=arn)["status"] == "SUCCEEDED")
    return arn


def _history(stack: RunningStack, arn: str) -> list[Event]:
    paginator = stack.aws("stepfunctions").get_paginator("get_execution_history")
    pages = paginator.paginate(executionArn=arn, includeExecutionData=True)
    return [event for page in pages for event in page["events"]]


def _summary(events: list[Event]) -> dict[str, Any]:
    entered = [name for event in events if (name := _entered(event))]
    return {"events": len(events), "largest_state_bytes": max(map(_size, events)), "states_entered": entered}


def _entered(event: Event) -> str | None:
    name: str | None = event.get("stateEnteredEventDetails", {}).get("name")
    return name


def _size(event: Event) -> int:
    """The bytes of the largest input or output of an event."""
    details = [value for value in event.values() if isinstance(value, dict)]
    return max((len(one.get(key, "").encode()) for one in details for key in ("input", "output")), default=0)


def _events_of(events: list[Event], state: str) -> int:
    """How many events one visit of the state leaves."""
    counts, current = Counter[str](), None
    for event in events:
        current = _entered(event) or current
        counts[current or ""] += 1
        if event["type"].endswith("StateExited"):
            current = None
    return counts[state]
