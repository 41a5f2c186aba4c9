"""What a task's items came to, a page at a time."""

from longhaul import database
from longhaul.tasks.changes import missing
from longhaul.tasks.model import StepStatus
from longhaul.workloads import store
from longhaul.workloads.store import OutputRow


def find_results(
    task_id: str, tenant_id: str, *, stage: str | None, status: StepStatus | None, after: int, limit: int
) -> tuple[list[OutputRow], int | None]:
    """Items after that place (0 is before all), and the place that the next ones are after. Raises NotFound."""
    with database.connection() as session:
        rows = store.list_outputs(
            session, task_id, tenant_id=tenant_id, stage=stage, status=status, after=after, limit=limit + 1
        )
    if rows is None:
        raise missing(task_id)
    return rows[:limit], rows[limit - 1].ordinal if len(rows) > limit else None
