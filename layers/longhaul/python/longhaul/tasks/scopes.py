"""The cache's scopes of tasks: each task is one, and so are all of a tenant's together."""

from longhaul import cache
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
