"""Callbacks on submit: stored with the task, alone and in a batch, and a part of what a key stands for."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway import Api

type Sql = Callable[..., list[dict[str, Any]]]

TASKS = "/api/v1/tasks"
URL = "https://hooks.example.com/done"
WANTED = {"kind": "hospital_province_refresh", "params": {"province": "广东省"}}
CALLBACKS = [{"url": URL, "events": ["longhaul.task.succeeded"]}, {"url": f"{URL}/2"}]


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api(functions=("tasks.serve_tasks", "tasks.serve_batches"))


def stored(sql: Sql) -> list[Any]:
    rows = sql("SELECT callbacks FROM tasks ORDER BY id")
    return [row["callbacks"] and json.loads(row["callbacks"]) for row in rows]


def test_they_are_stored_with_the_task(api: Api, sql: Sql) -> None:
    assert api("POST", TASKS, WANTED | {"callbacks": CALLBACKS}).status == 202
    assert api("POST", TASKS, WANTED).status == 202
    assert api("POST", TASKS, WANTED | {"callbacks": []}).status == 202
    assert stored(sql) == [CALLBACKS, None, None]


def test_they_are_stored_with_each_task_of_a_batch(api: Api, sql: Sql) -> None:
    items = [WANTED | {"callbacks": CALLBACKS}, WANTED, WANTED | {"callbacks": [{"url": "https://10.0.0.1/"}]}]
    answer = api("POST", f"{TASKS}/batch", {"items": items})
    assert (answer.body["accepted"], answer.body["refused"]) == (2, 1)
    assert answer.body["items"][2]["problem"]["errors"][0]["pointer"] == "/items/2/callbacks/0/url"
    assert stored(sql) == [CALLBACKS, None]


def test_a_key_stands_for_its_callbacks_too(api: Api, sql: Sql) -> None:
    first = api("POST", TASKS, WANTED | {"callbacks": CALLBACKS}, idempotency_key="k1")
    again = api("POST", TASKS, WANTED | {"callbacks": CALLBACKS}, idempotency_key="k1")
    assert first.body["task_id"] == again.body["task_id"]
    for other in ({}, {"callbacks": CALLBACKS[:1]}):
        answer = api("POST", TASKS, WANTED | other, idempotency_key="k1")
        assert answer.body["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("callbacks", "pointer"),
    [
        ([{"url": "https://10.0.0.1/"}], "/callbacks/0/url"),
        ([{"url": "http://hooks.example.com/"}], "/callbacks/0/url"),
        ([{}], "/callbacks/0/url"),
        ([{"url": URL}, {"url": URL}], "/callbacks"),
        ([{"url": URL, "events": ["longhaul.task.submitted"]}], "/callbacks/0/events/0"),
        ([{"url": URL, "events": []}], "/callbacks/0/events"),
        ([{"url": URL, "secret": "x"}], "/callbacks/0/secret"),
        ([{"url": f"{URL}/{number}"} for number in range(6)], "/callbacks"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(api: Api, sql: Sql, callbacks: list[Any], pointer: str) -> None:
    answer = api("POST", TASKS, WANTED | {"callbacks": callbacks})
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
    assert stored(sql) == []
