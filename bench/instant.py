"""Workloads whose steps do nothing, so that only the engine is measured. The local stack gets a copy of this file."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from longhaul.database import Session
from longhaul.workloads import Item, StepContext, TaskContext, Workload

SAVED = "CREATE TABLE bench_saved (task_id VARCHAR(96), number INT, square INT, PRIMARY KEY (task_id, number))"


class Instant(BaseModel):
    items: int = Field(ge=1, le=100_000)


def _declared(batch: int, *, saves: bool = False) -> Workload[Instant]:
    name = f"instant_{batch}" + ("_saving" if saves else "")
    workload = Workload(name, params=Instant, in_flight=5, batch=batch, seconds_allowed=36_000)

    @workload.stage
    def work(task: TaskContext[Instant]) -> Iterable[Item]:
        for number in range(task.params.items):
            yield Item(f"{number:06d}", label=f"item {number}", input={"number": number})

    @work.step()
    def do_work(step: StepContext[Instant]) -> dict[str, Any]:
        number = step.input["number"]
        if saves:
            step.save(lambda tx: _save(tx, step.task_id, number))
        return {"square": number**2}

    return workload


def _save(tx: Session, task_id: str, number: int) -> None:
    insert = "INSERT INTO bench_saved (task_id, number, square) VALUES (%s, %s, %s)"
    tx.run("save", insert, [task_id, number, number**2])


instant_1 = _declared(1)
instant_25 = _declared(25)
instant_100 = _declared(100)
instant_1_saving = _declared(1, saves=True)
instant_25_saving = _declared(25, saves=True)

KINDS = tuple(workload.kind for workload in (instant_1, instant_25, instant_100, instant_1_saving, instant_25_saving))
