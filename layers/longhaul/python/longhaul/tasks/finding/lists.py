"""Lists of a tenant's tasks, and of the steps and the history of one."""

from longhaul import database
from longhaul.errors import NotFound
from longhaul.tasks.finding import store
from longhaul.tasks.finding.model import FoundEvent, FoundStep, FoundTask, Place, Question
from longhaul.tasks.model import ACTIVE, StepStatus

ACTIVE_LIMIT = 1_000


def find_page(question: Question, *, limit: int, offset: int) -> tuple[list[FoundTask], int]:
    """A page by its number, and how many there are in all."""
    with database.connection() as session:
        total = store.count_tasks(session, question.tenant_id, question.filters)
        if offset >= total:
            return [], total
        return store.list_tasks(session, question, limit=limit, offset=offset), total


def find_after(question: Question, after: Place | None, limit: int) -> tuple[list[FoundTask], Place | None]:
    """The tasks after a place, or from the beginning, and the place that the next ones are after.

    Page by page, each task that is there all the while comes once, whatever is added. One whose sorting value changes
    meanwhile (never created_at) may come again or not at all.
    """
    with database.connection() as session:
        tasks = store.list_tasks(session, question, limit=limit + 1, after=after)
    return tasks[:limit], tasks[limit - 1].place(question.sort) if len(tasks) > limit else None


def find_active(tenant_id: str) -> list[FoundTask]:
    """What has not ended, newest first, at most 1,000."""
    with database.connection() as session:
        return store.list_active(session, tenant_id, ACTIVE, ACTIVE_LIMIT)


def find_steps(
    task_id: str, tenant_id: str, *, level: str | None, status: StepStatus | None, after: str, limit: int
) -> tuple[list[FoundStep], str | None]:
    """Steps after that key ("" is before all), and the key that the next ones are after. Raises NotFound."""
    with database.connection() as session:
        steps = store.list_steps(session, task_id, tenant_id, level=level, status=status, after=after, limit=limit + 1)
    if steps is None:
        raise NotFound(f"there is no task {task_id}")
    return steps[:limit], steps[limit - 1].key if len(steps) > limit else None


def find_events(task_id: str, tenant_id: str, *, after: int, limit: int) -> tuple[list[FoundEvent], int | None]:
    """Events after that id (0 is before all), and the id that the next ones are after. Raises NotFound."""
    with database.connection() as session:
        events = store.list_events(session, task_id, tenant_id, after=after, limit=limit + 1)
    if events is None:
        raise NotFound(f"there is no task {task_id}")
    return events[:limit], events[limit - 1].id if len(events) > limit else None
