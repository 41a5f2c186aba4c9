"""Changing the priority or the title of many tasks at once, each by what was asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from longhaul import database
from longhaul.database import Session
from longhaul.errors import IllegalTransition, InvalidRequest, LonghaulError, NotFound
from longhaul.tasks import scopes
from longhaul.tasks.bulk import store
from longhaul.tasks.bulk.store import Target
from longhaul.tasks.model import CHANGED, TERMINAL, Priority, allowed_actions

type Answer = str | LonghaulError


@dataclass(frozen=True)
class Change:
    """What is to become of a task; None stays as it is."""

    task_id: str
    priority: Priority | None = None
    title: str | None = None


def change_many(tenant_id: str, asked: Sequence[Change | LonghaulError]) -> list[Answer]:
    """For each the id of the task that is as asked now, or why it is not; what is an error already stays one.

    Raises DatabaseUnavailable, when none was changed.
    """
    firsts: dict[str, int] = {}
    for index, item in enumerate(asked):
        if isinstance(item, Change):
            firsts.setdefault(item.task_id, index)
    answers, changed = (
        database.run_transaction(lambda tx: _change(tx, tenant_id, asked, firsts)) if firsts else (list(asked), [])
    )
    if changed:
        scopes.changed_many(tenant_id, changed)
    return [answer.task_id if isinstance(answer, Change) else answer for answer in answers]


def _change(
    tx: Session, tenant_id: str, asked: Sequence[Change | LonghaulError], firsts: dict[str, int]
) -> tuple[list[Change | LonghaulError], list[str]]:
    there = store.lock(tx, tenant_id, list(firsts))
    answers = [
        item
        if isinstance(item, LonghaulError)
        else _refusal(item, there.get(item.task_id), firsts[item.task_id], index) or item
        for index, item in enumerate(asked)
    ]
    accepted = [(there[item.task_id], item) for item in answers if isinstance(item, Change)]
    differing = {target.id: detail for target, item in accepted if (detail := _detail(target, item))}
    if differing:
        store.change(tx, [_row(target, item) for target, item in accepted if target.id in differing])
        store.record(tx, CHANGED, differing)
    return answers, [target.task_id for target, _ in accepted if target.id in differing]


def _refusal(item: Change, target: Target | None, first: int, index: int) -> LonghaulError | None:
    if first != index:
        return InvalidRequest(errors=[{"pointer": "/task_id", "detail": f"item {first} is for it already"}])
    if target is None:
        return NotFound(f"there is no task {item.task_id}")
    if item.priority is not None and target.status in TERMINAL:
        return IllegalTransition(
            f"a {target.status} task cannot be reprioritised",
            task_status=target.status,
            allowed_actions=allowed_actions(target.status),
        )
    return None


def _row(target: Target, item: Change) -> dict[str, Any]:
    return {
        "id": target.id,
        "priority": target.priority if item.priority is None else item.priority,
        "title": target.title if item.title is None else item.title,
    }


def _detail(target: Target, item: Change) -> dict[str, Any]:
    """What was and what is, of that which changes."""
    row = _row(target, item)
    detail = {}
    if row["priority"] != target.priority:
        detail["priority"] = [target.priority.name, Priority(row["priority"]).name]
    if row["title"] != target.title:
        detail["title"] = [target.title, row["title"]]
    return detail
