"""What an action does to the tasks of a range: one guarded UPDATE of many rows, and the event that each has."""

from collections.abc import Sequence
from typing import Any

from longhaul.database import Session
from longhaul.tasks import store as task_store
from longhaul.tasks import tally
from longhaul.tasks.bulk import store
from longhaul.tasks.bulk.planning import RANGE_TASKS
from longhaul.tasks.bulk.selection import BulkAction, Selection
from longhaul.tasks.bulk.store import Range, Target
from longhaul.tasks.model import ACTIONS, CHANGED, PRIORITISE, Priority, Transition
from longhaul.tasks.store import dumps

MOST_TASKS = 2 * RANGE_TASKS  # of one range: tasks that came to match since it was cut are among them


def change(tx: Session, action: BulkAction, selection: Selection, part: Range) -> list[int]:
    """Change those of the range that still match and can be so changed; their row ids."""
    matching = store.lock_matching(tx, selection, part, limit=MOST_TASKS)
    targets = [target for target in matching if target.status in action.sources]
    if action.action == PRIORITISE:
        return _prioritise(tx, targets, Priority[action.priority or "normal"])
    if not targets:
        return []
    transition = ACTIONS[action.action]
    if transition in (Transition.CANCEL, Transition.PAUSE):
        moved = store.stop(tx, selection.tenant_id, transition, _as_far_as_they_are(tx, targets))
        if moved != len(targets):  # they are locked: the guard cannot have found another status
            raise AssertionError(f"{moved} of {len(targets)} locked tasks were {transition}")
    elif not (targets := store.reopen(tx, selection.tenant_id, transition, targets)):
        return []
    store.record(tx, transition, {target.id: None for target in targets})
    return [target.id for target in targets]


def _prioritise(tx: Session, targets: Sequence[Target], priority: Priority) -> list[int]:
    others = [target for target in targets if target.priority != priority]
    if others:
        store.change(tx, [{"id": target.id, "priority": priority, "title": target.title} for target in others])
        names = {target.id: {"priority": [target.priority.name, priority.name]} for target in others}
        store.record(tx, CHANGED, names)
    return [target.id for target in others]


def _as_far_as_they_are(tx: Session, targets: Sequence[Target]) -> list[dict[str, Any]]:
    """[{id, progress, statistics}]; those that never ran are where they were."""
    rows: dict[int, dict[str, Any]] = {
        target.id: {"id": target.id, "progress": 0, "statistics": None} for target in targets
    }
    for task in task_store.fetch_all(tx, [target.id for target in targets if target.attempt]):
        final = tally.final_tally(tx, task)
        rows[task.id] |= {"progress": final.progress, "statistics": dumps(final.statistics)}
    return list(rows.values())
