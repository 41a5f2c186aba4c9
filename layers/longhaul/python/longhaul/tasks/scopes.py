"""The cache's scopes of tasks: each task is one, and so are all of a tenant's together."""

from collections.abc import Iterable

from longhaul import cache, generations
from longhaul.tasks.model import Task


def scope_of_task(task_id: str) -> str:
    return f"task:{task_id}"


def scope_of_tenant(tenant_id: str) -> str:
    """The tenant's lists."""
    return f"tasks:{tenant_id}"


def changed(*tasks: Task) -> None:
    """Forget what was cached of these tasks and of their tenants' lists. After the commit that changed their rows."""
    scopes = {scope_of_task(task.task_id) for task in tasks} | {scope_of_tenant(task.tenant_id) for task in tasks}
    cache.invalidate(*sorted(scopes))


def changed_many(tenant_id: str, task_ids: Iterable[str]) -> None:
    """As `changed`, for so many tasks of a tenant that each cannot have a request of its own."""
    generations.invalidate_all([scope_of_tenant(tenant_id), *map(scope_of_task, task_ids)])
