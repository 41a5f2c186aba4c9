"""The rows of workloads' items and callbacks, by the statements of queries.sql."""

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from longhaul.database import Session, connection, queries
from longhaul.database.chunks import arrays
from longhaul.errors import TaskStopped
from longhaul.tasks.model import Status, StepStatus, TaskError, Transition, aware
from longhaul.tasks.store import MAX_MESSAGE_CHARACTERS

_queries = queries.load(__file__)

PAGE = 500  # outputs that are read at once
DELETED_AT_ONCE = 5_000


@dataclass(frozen=True)
class OpenItem:
    """An item that is left to do.

    `tries`: how often this attempt has begun it; `fence`: the row's count and the attempt that it is of. `died`: its
    last try neither ended nor asked to wait. `wait`: seconds until it is due, 0 when it is. `token`: it has a callback,
    which has not arrived.
    """

    step_key: str
    stage: str
    label: str
    input: dict[str, Any]
    memory: dict[str, Any]
    tries: int
    fence: tuple[int, int]
    died: bool
    wait: float
    token: str | None

    @property
    def item_key(self) -> str:
        return self.step_key.removeprefix(f"{self.stage}/")


@dataclass(frozen=True)
class CallbackRow:
    """A step's callback. `body` is what arrived, None until then."""

    token: str
    body: dict[str, Any] | None
    seconds_left: float


@dataclass(frozen=True)
class Wakeup:
    """Where a callback belongs, and by which token its workflow is woken, if it waits already."""

    task_id: str
    attempt: int
    body: dict[str, Any] | None
    wakeup: str | None


@dataclass(frozen=True)
class OutputRow:
    """An item and what it came to. Times are aware, UTC."""

    key: str
    stage: str
    label: str
    status: StepStatus
    output: dict[str, Any]
    error: TaskError | None
    ordinal: int
    finished_at: datetime | None


def last_ordinal(session: Session, task_id: str) -> int:
    return int(_queries.last_ordinal(session, task_id=task_id))


def insert_items(session: Session, task_id: str, attempt: int, stage: str, rows: Iterable[dict[str, Any]]) -> None:
    """[{key, label, input (JSON text), ordinal}, ...]; those that are there stay."""
    for some in arrays(rows):
        _queries.insert_items(session, task_id=task_id, attempt=attempt, stage=stage, rows=some)


def delete_items(session: Session, task_id: str, stage: str) -> None:
    while _queries.delete_items(session, task_id=task_id, stage=stage, limit=DELETED_AT_ONCE) == DELETED_AT_ONCE:
        pass


def list_open(session: Session, task_id: str, stage: str, limit: int) -> list[int]:
    """The ordinals of the items that are left to do, in their order."""
    return [int(row["ordinal"]) for row in _queries.list_open(session, task_id=task_id, stage=stage, limit=limit)]


def list_failures(session: Session, task_id: str, stage: str, limit: int) -> list[tuple[str, str]]:
    """(label, error message) of the first items that failed."""
    rows = _queries.list_failures(session, task_id=task_id, stage=stage, limit=limit)
    return [(row["label"] or row["step_key"], row["error_message"] or "") for row in rows]


def open_batch(session: Session, task_id: str, attempt: int, stage: str, first: int, last: int) -> list[OpenItem]:
    """The items of these places that are left to do. Raises TaskStopped."""
    rows = _queries.open_batch(session, task_id=task_id, stage=stage, first=first, last=last)
    if not rows or rows[0]["task_status"] != Status.RUNNING or rows[0]["task_attempt"] != attempt:
        raise TaskStopped(f"task {task_id} does not run attempt {attempt} any more")
    return [_open_item(row, stage) for row in rows if row["step_key"] is not None]


def begin_item(session: Session, task_id: str, attempt: int, item: OpenItem) -> bool:
    """Whether it is ours to run: not when another took it, nor when the task no longer runs this attempt."""
    return bool(
        _queries.begin_item(
            session,
            task_id=task_id,
            attempt=attempt,
            step_key=item.step_key,
            fence=item.fence[0],
            planned_in=item.fence[1],
            tries=item.tries + 1,
        )
    )


def delay_item(
    session: Session, task_id: str, attempt: int, step_key: str, tries: int, seconds: float, error: TaskError | None
) -> None:
    """To be begun again in `seconds`. `tries`: ours. With an error it counts as a try, without one it waits only."""
    _queries.delay_item(
        session,
        task_id=task_id,
        attempt=attempt,
        step_key=step_key,
        tries=tries,
        uncounted=0 if error else 1,
        microseconds=int(seconds * 1_000_000),
        error_code=error.code if error else None,
        error_message=error.message[:MAX_MESSAGE_CHARACTERS] if error else None,
    )


def remember(session: Session, task_id: str, attempt: int, step_key: str, tries: int, memory: str) -> bool:
    """Whether it was stored: not when the task or the try is another's."""
    return bool(
        _queries.remember(session, task_id=task_id, attempt=attempt, step_key=step_key, tries=tries, memory=memory)
    )


def beat(session: Session, task_id: str, attempt: int) -> bool:
    """Whether the task still runs this attempt."""
    return bool(_queries.beat(session, task_id=task_id, attempt=attempt))


def report(session: Session, task_id: str, step_key: str, fraction: float) -> None:
    _queries.report(session, task_id=task_id, step_key=step_key, fraction=fraction)


def make_callback(session: Session, task_id: str, attempt: int, step_key: str, seconds: int) -> CallbackRow:
    """The step's callback; a new one where it has none, or where an earlier attempt's has expired."""
    token = secrets.token_urlsafe(32)
    _queries.insert_callback(session, task_id=task_id, step_key=step_key, token=token, attempt=attempt, seconds=seconds)
    row = _queries.fetch_callback(session, task_id=task_id, step_key=step_key)
    body = json.loads(row["body"]) if row["arrived_at"] else None
    return CallbackRow(row["token"], body, row["microseconds_left"] / 1_000_000)


def arrive(session: Session, token: str, body: str) -> bool:
    """Whether the callback was waited for, in time, and had not arrived before."""
    return bool(_queries.arrive(session, token=token, body=body))


def find_callback(session: Session, token: str) -> Wakeup | None:
    row = _queries.find_callback(session, token=token)
    if row is None:
        return None
    body = json.loads(row["body"]) if row["arrived_at"] else None
    return Wakeup(row["task_id"], row["attempt"], body, row["wakeup"])


def await_callbacks(session: Session, task_id: str, step_keys: Sequence[str], wakeup: str) -> int:
    """Store the workflow's token with these steps' callbacks; how many of them have arrived already."""
    _queries.await_callbacks(session, task_id=task_id, step_keys=list(step_keys), wakeup=wakeup)
    return int(_queries.count_arrived(session, task_id=task_id, step_keys=list(step_keys)))


def list_callbacks(session: Session, task_id: str) -> dict[str, str]:
    """The tokens of the callbacks that are waited for, by the keys of their steps."""
    return {row["step_key"]: row["token"] for row in _queries.list_callbacks(session, task_id=task_id)}


def make_due(session: Session, task_id: str) -> None:
    """For tests: whatever waits for a time is due."""
    _queries.make_due(session, task_id=task_id)


def ask_approval(tx: Session, task_id: str, step_key: str) -> bool:
    """Whether the approval is to be asked for now: not when it was, and the task was resumed since."""
    asked_first = _queries.ask_approval(tx, task_id=task_id, step_key=step_key)
    return bool(asked_first) or _queries.fetch_last_reopening(tx, task_id=task_id) != Transition.RESUME


def list_outputs(
    session: Session,
    task_id: str,
    *,
    after: int,
    limit: int,
    tenant_id: str | None = None,
    stage: str | None = None,
    status: StepStatus | None = None,
) -> list[OutputRow] | None:
    """The items after that ordinal (0 is before all); None when there is no such task (of the tenant, if given)."""
    rows = _queries.list_outputs(
        session,
        task_id=task_id,
        any_tenant=tenant_id is None,
        tenant_id=tenant_id or "",
        any_stage=stage is None,
        stage=stage,
        any_status=status is None,
        status=status,
        after=after,
        limit=limit,
    )
    return [_output(row) for row in rows if row["step_key"] is not None] if rows else None


def iterate_outputs(task_id: str, stage: str) -> Iterator[OutputRow]:
    """The items of a stage in their order, read a page at a time."""
    after = 0
    while True:
        with connection() as session:
            rows = list_outputs(session, task_id, after=after, limit=PAGE, stage=stage) or []
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1].ordinal


def _open_item(row: dict[str, Any], stage: str) -> OpenItem:
    arrived, left = row["arrived_at"] is not None, row["microseconds_left"]
    tries = int(row["tries"]) if row["attempt"] == row["task_attempt"] else 0
    return OpenItem(
        step_key=row["step_key"],
        stage=stage,
        label=row["label"],
        input=json.loads(row["input"] or "{}"),
        memory=json.loads(row["memory"] or "{}"),
        tries=tries,
        fence=(int(row["tries"]), int(row["attempt"])),
        died=tries > 0 and left is None,
        wait=0.0 if left is None or arrived else max(0.0, left / 1_000_000),
        token=None if arrived else row["token"],
    )


def _output(row: dict[str, Any]) -> OutputRow:
    return OutputRow(
        key=row["step_key"],
        stage=row["level"],
        label=row["label"],
        status=StepStatus(row["status"]),
        output=json.loads(row["output"] or "{}"),
        error=TaskError(row["error_code"], row["error_message"] or "") if row["error_code"] else None,
        ordinal=int(row["ordinal"]),
        finished_at=aware(row["finished_at"]),
    )
