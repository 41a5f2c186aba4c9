"""Roles on a running stack: material put, creations submitted, versions looked at."""

from typing import Any

from local.running import Answer
from tests.observation import Observer, Row

KIND = "role_creation"
BASE_INFO: Row = {"company": "晨光口腔", "role_name": "小晨", "goal": "邀约到店检查"}


def put(observer: Observer, task_id: str, kind: str, body: Row) -> Row:
    answer = observer.request("PUT", f"/api/v1/role-tasks/{task_id}/{kind}", json=body)
    assert answer.status == 200, answer.body.decode()
    stored: Row = answer.json()
    return stored


def submit(observer: Observer, task_id: str, strategy_id: str = "S-1") -> Answer:
    params = {"task_id": task_id, "strategy_id": strategy_id}
    return observer.request("POST", "/api/v1/tasks", json={"kind": KIND, "params": params})


def versions(observer: Observer) -> list[dict[str, Any]]:
    return observer.sql("SELECT role_id, version, made_by, requests FROM role_versions ORDER BY role_id, version")
