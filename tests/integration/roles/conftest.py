"""Roles on a real database, with the language model's stand-in as the deployment's first model."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from longhaul import settings
from longhaul.tasks.model import Task
from tests.calling import ask, call
from tests.integration.hospitals.conftest import API_KEY, StandIn, served, stand_in

__all__ = ["served", "stand_in"]

BASE_INFO = {"company": "晨光口腔", "role_name": "小晨", "goal": "邀约到店检查", "introduction": "社区口腔诊所。"}
TALK_STYLE = {"tone": "亲切、不催促", "phrases": ["您放心"], "avoid": ["保证治好"], "sample": "您好呀。"}
PRODUCTS = [{"name": "种植牙套餐", "description": "含检查", "price": "6,980 元", "selling_points": ["当日可种", "😀"]}]
KNOWLEDGE = [{"title": "疗程", "content": "三到\n六个月。"}, {"title": "医保", "content": '"部分"可报'}]
PARAMS = {"task_id": "T-1", "strategy_id": "S-1"}


@pytest.fixture
def model(database: dict[str, Any], stand_in: StandIn) -> Iterator[StandIn]:
    """The functions' environment with the stand-in as its first model, at 2 and 8 yuan for a million tokens."""
    name = f"llm-{os.urandom(4).hex()}"  # failures are counted under it
    secret = boto3.client("secretsmanager").create_secret(Name=name, SecretString=API_KEY)["ARN"]
    priced = {"name": "first", "base_url": stand_in.base_url, "model": name, "secret_arn": secret}
    os.environ.update(
        AI_MODELS=json.dumps([priced | {"prompt_price": "2", "completion_price": "8"}]),
        LLM_BASE_URL=stand_in.base_url,
        LLM_MODEL=name,
        LLM_SECRET_ARN=secret,
        LLM_TIMEOUT_SECONDS="5",
    )
    settings.of.cache_clear()
    yield stand_in
    del os.environ["AI_MODELS"]
    settings.of.cache_clear()


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
