"""The kind of task that a bulk action is: run by a queue, a step for each range of the tasks that match."""

from longhaul.tasks.bulk import KIND, BulkAction, count
from longhaul.tasks.kinds import Kind

KINDS = (
    Kind(
        name=KIND,
        params=BulkAction,
        workflow="ActionsQueue",
        title=lambda params: f"Bulk action: {params.action}",
        slug=lambda params: f"bulk_{params.action}",
        count=count,
        max_concurrent=4,
        max_queued=100,
        stale_seconds=180,
    ),
)
