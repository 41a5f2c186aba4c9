"""The cache's scopes: what is forgotten together when it changes."""

import json


def scope_of_material(tenant_id: str, task_id: str) -> str:
    """The material of one of the tenant's tasks."""
    return "role_material:" + json.dumps([tenant_id, task_id])
