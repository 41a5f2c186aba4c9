"""What a code-first task may cost: reached, which may pause the task, and changed by its caller.

The money itself is spent in `spending`, which few functions import.
"""

from dataclasses import dataclass
from decimal import Decimal

from longhaul.database import Session, queries
from longhaul.errors import IllegalTransition, PermanentError
from longhaul.tasks.model import TERMINAL, Status, Task, TaskError, allowed_actions
from longhaul.workloads.pausing import pause_unless

_queries = queries.load(__file__)

ADVICE = "raise the budget and resume, or resume as it is and what it does not allow fails"


class BudgetReached(PermanentError):
    """The task's budget does not allow another request. `budget`: the one that did not, where it is known."""

    code = "budget_reached"

    def __init__(self, detail: str, budget: Decimal | None = None) -> None:
        super().__init__(detail)
        self.budget = budget


class BudgetChanged(Exception):
    """The budget that did not allow the request is not the task's any more: ask again."""


@dataclass(frozen=True)
class Spending:
    """A task's budget as it is now (None: without limit), what is spent of it, and what is reserved for requests that
    are under way."""

    max_cost: Decimal | None
    spent: Decimal
    reserved: Decimal


def pause(task: Task, reached: BudgetReached) -> None:
    """Pause the task and say why, once for each budget: returns when its caller has resumed it as it is.

    Raises TaskStopped; BudgetChanged when the task has another budget since.
    """

    def answered(tx: Session) -> bool:
        now = _queries.lock_spending(tx, task_id=task.task_id)
        if now and now["budget_changed"] and reached.budget is not None and now["max_cost"] != reached.budget:
            raise BudgetChanged
        return not _queries.mark_told(tx, task_id=task.task_id)

    pause_unless(task, TaskError(reached.code, f"{reached}; {ADVICE}"), answered)


def change(tx: Session, task: Task, max_cost: Decimal | None) -> None:
    """Change what the task may cost. One that it has paused must be resumed. Raises IllegalTransition when it has ended
    for good: a FAILED one may be retried."""
    if task.status in TERMINAL and task.status != Status.FAILED:
        raise IllegalTransition(
            f"the task is {task.status}: it cannot be given another budget",
            task_status=task.status,
            allowed_actions=allowed_actions(task.status),
        )
    _queries.change_budget(tx, task_id=task.task_id, max_cost=max_cost)


def find(session: Session, task_id: str, submitted: Decimal | None) -> Spending:
    """`submitted`: the budget that counts until it is changed."""
    row = _queries.fetch_spending(session, task_id=task_id)
    if row is None:
        return Spending(submitted, Decimal(0), Decimal(0))
    return Spending(row["max_cost"] if row["budget_changed"] else submitted, row["spent"], row["reserved"])
