"""Signs of life of tasks whose work lies outside: a campaign that waits for its calls finishes no step for long."""

from collections.abc import Sequence

from longhaul import database
from longhaul.tasks import store


def beat(task_ids: Sequence[str]) -> int:
    """Keep recovery from taking these tasks for stale; how many of them are RUNNING. Raises DatabaseUnavailable."""
    if not task_ids:
        return 0
    return database.run_transaction(lambda tx: store.beat(tx, task_ids))
