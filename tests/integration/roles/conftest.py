"""Roles on a real database, with the language model's stand-in as the deployment's first model."""

from collections.abc import Callable
from typing import Any

import pytest

from longhaul.tasks.model import Task
from tests.calling import ask, call

BASE_INFO = {"company": "晨光口腔", "role_name": "小晨", "goal": "邀约到店检查", "introduction": "社区口腔诊所。"}
TALK_STYLE = {"tone": "亲切、不催促", "phrases": ["您放心"], "avoid": ["保证治好"], "sample": "您好呀。"}
PRODUCTS = [{"name": "种植牙套餐", "description": "含检查", "price": "6,980 元", "selling_points": ["当日可种", "😀"]}]
KNOWLEDGE = [{"title": "疗程", "content": "三到\n六个月。"}, {"title": "医保", "content": '"部分"可报'}]
PARAMS = {"task_id": "T-1", "strategy_id": "S-1"}


@pytest.fixture
def material(database: dict[str, Any]) -> None:
    """All four kinds for the tenant acme's task T-1."""
    put("base-info", BASE_INFO)
    put("talk-style", TALK_STYLE)
    put("products", {"items": PRODUCTS})
    put("knowledge", {"items": KNOWLEDGE})


@pytest.fixture
def running(running_task: Callable[..., Task]) -> Callable[..., Task]:
    """Makes RUNNING tasks that create a role."""
    return lambda **changes: running_task("role_creation", **PARAMS | changes)


def put(kind: str, body: Any, *, task_id: str = "T-1", tenant: str = "acme") -> dict[str, Any]:
    status, stored, _ = ask(
        "serve_material", "PUT", f"/api/v1/role-tasks/{task_id}/{kind}", body, domain="roles", tenant=tenant
    )
    assert status == 200, stored
    return stored


def step(name: str, task: Task) -> dict[str, Any]:
    """What the function of this step answers."""
    answer: dict[str, Any] = call("roles", name, {"task_id": task.task_id, "attempt": task.attempt})
    return answer


def create(task: Task) -> dict[str, Any]:
    """The whole workflow but for its end; the task's result."""
    step("collect_material", task)
    step("write_role", task)
    return step("save_role", task)
