"""A role's creation: its functions one after the other as the state machine calls them (collect_material, write_role,
save_role), on a database and the stand-in."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul.aws.workflows import Attempt
from longhaul.errors import BadAnswer, MissingMaterial, ProviderUnavailable, TaskStopped
from longhaul.tasks import lifecycle, steps, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError
from roles.authoring import save, write
from roles.kinds import KINDS
from roles.material import MAX_CHARACTERS
from tests.calling import ask, at_once
from tests.chatting import StandIn
from tests.integration.roles.conftest import BASE_INFO, KNOWLEDGE, PRODUCTS, TALK_STYLE, create, put, step

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Running = Callable[..., Task]
type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements that were run."""
    names: list[str] = []
    run = longhaul_database.Session.run
    monkeypatch.setattr(
        longhaul_database.Session, "run", lambda self, name, *rest: names.append(name) or run(self, name, *rest)
    )
    return names


def again(task: Task) -> Task:
    """The task's next attempt, started."""
    dispatch(["role_creation"])
    with longhaul_database.connection() as session:
        found = store.fetch(session, task.task_id)
    assert found is not None
    assert (found.status, found.attempt) == ("RUNNING", task.attempt + 1)
    return found


def test_a_role_is_made_of_all_its_material(
    model: StandIn, material: None, running: Running, sql: Sql, sent: Sent
) -> None:
    # WHEN a role is created
    task = running()
    result = create(task)

    # THEN the result names it, and the model was asked once
    calls = model.calls("role")
    assert (calls["count"], calls["by_key"]) == (1, {"T-1": 1})
    assert result["missing"] == []
    assert result["left_out"] == {}
    assert (result["version"], result["model"]) == (1, "first")

    # AND it is served with what it says and what that took
    status, role, _ = ask("serve_roles", "GET", f"/api/v1/roles/{result['role_id']}", domain="roles")
    assert (status, role["task_id"], role["strategy_id"]) == (200, "T-1", "S-1")
    assert (role["made_by"], role["version"], role["latest_version"]) == (task.task_id, 1, 1)
    assert role["content"].keys() == {"identity", "tone", "opening", "talking_points", "objections", "taboos"}
    assert "小晨" in role["content"]["opening"]
    assert "种植牙套餐" in role["content"]["talking_points"]
    assert role["prompt_tokens"] > 300
    assert role["completion_tokens"] > 100
    assert role["prompt_tokens"] + role["completion_tokens"] == result["tokens"]
    cost = (role["prompt_tokens"] * Decimal(2) + role["completion_tokens"] * Decimal(8)) / 1_000_000
    assert Decimal(role["cost"]) == Decimal(result["cost"]) == cost
    assert (role["requests"], role["estimated"], len(role["prompt"])) == (1, False, 12)

    # AND each step was told of, once, by its own name
    assert [(message["level"], message["label"]) for message in sent("progress")] == [
        ("collect_material", "正在收集资料"),
        ("write_role", "正在撰写角色"),
        ("save_role", "正在保存角色"),
    ]
    rows = sql("SELECT step_key, status, units FROM task_steps ORDER BY step_key")
    assert [(row["step_key"], row["status"]) for row in rows] == [
        (key, "SUCCEEDED") for key in ("collect_material", "save_role", "write_role")
    ]
    assert [row["units"] for row in rows] == [0, 1, result["tokens"]]


def test_material_is_read_in_one_round_trip_and_then_from_the_cache(
    model: StandIn, material: None, running: Running, ran: list[str]
) -> None:
    # GIVEN material that nobody has read yet
    task, other = running(), running(strategy_id="S-2")
    ran.clear()

    # WHEN two roles are made of it
    step("collect_material", task)
    assert ran.count("read_material") == 1
    step("collect_material", other)
    assert ran.count("read_material") == 1, "the second was served by the cache"

    # THEN what is written is seen by the next, which reads it anew
    put("knowledge", {"items": [{"title": "新", "content": "新的知识"}]})
    third = running(strategy_id="S-3")
    step("collect_material", third)
    assert ran.count("read_material") == 2
    assert steps.output_of(third.task_id, third.attempt, "collect_material")["material"] == {
        "base_info": {"industry": "", "audience": "", **BASE_INFO},
        "talk_style": TALK_STYLE,
        "products": PRODUCTS,
        "knowledge": [{"title": "新", "content": "新的知识"}],
    }


@pytest.mark.parametrize("kinds", [[], ["talk-style"], ["products", "knowledge"]])
def test_what_is_missing_is_listed_and_only_base_info_is_essential(
    model: StandIn, running: Running, kinds: list[str]
) -> None:
    put("base-info", BASE_INFO)
    bodies = {"talk-style": TALK_STYLE, "products": {"items": PRODUCTS}, "knowledge": {"items": KNOWLEDGE}}
    for kind in kinds:
        put(kind, bodies[kind])
    result = create(running())
    there = {kind.replace("-", "_") for kind in kinds}
    assert result["missing"] == [k for k in ("talk_style", "products", "knowledge") if k not in there]


def test_without_base_info_the_task_fails_for_good_and_may_be_retried_once_it_is_there(
    model: StandIn, running: Running, sql: Sql
) -> None:
    # GIVEN knowledge only
    put("knowledge", {"items": KNOWLEDGE})
    task = running()

    # WHEN the role is to be made of it
    with pytest.raises(MissingMaterial, match="T-1 has no base_info"):
        step("collect_material", task)
    error = TaskError(MissingMaterial.code, "no base_info")
    assert lifecycle.close(task.task_id, task.attempt, Outcome(error=error))

    # THEN the task has failed, not to be tried again by itself, and nobody asked the model
    assert sql("SELECT status, error_code FROM tasks") == [{"status": "FAILED", "error_code": "missing_material"}]
    assert model.calls("role")["count"] == 0

    # AND with base info a retry makes the role
    put("base-info", BASE_INFO)
    lifecycle.retry(task.task_id, "acme")
    assert create(again(task))["version"] == 1


def test_a_resumed_attempt_does_not_pay_again(
    model: StandIn, material: None, running: Running, sql: Sql, sent: Sent
) -> None:
    # GIVEN a role that the model has written, and a task that is paused before it is saved
    task = running()
    step("collect_material", task)
    step("write_role", task)
    lifecycle.pause(task.task_id, "acme")
    with pytest.raises(TaskStopped):
        step("save_role", task)
    assert sql("SELECT * FROM roles") == []

    # WHEN it goes on, with other material there meanwhile
    put("base-info", BASE_INFO | {"role_name": "小光"})
    lifecycle.resume(task.task_id, "acme")
    result = create(again(task))

    # THEN the model was asked once in all, and the role is of the material it was begun with
    assert model.calls("role")["count"] == 1
    (row,) = sql("SELECT content FROM role_versions WHERE role_id = %s", result["role_id"])
    assert "小晨" in json.loads(row["content"])["opening"]


def test_twins_save_one_version(model: StandIn, material: None, running: Running, sql: Sql) -> None:
    # GIVEN a role that waits to be saved
    task = running()
    step("collect_material", task)
    step("write_role", task)
    attempt = Attempt(task_id=task.task_id, attempt=task.attempt)

    # WHEN it is saved six times at once, and once more
    results: list[dict[str, Any]] = []
    at_once(6, lambda: results.append(save(attempt)))
    results.append(save(attempt))

    # THEN there is one version, and all say so
    assert len(results) == 7
    assert all(result == results[0] for result in results)
    assert [(row["version"], row["made_by"]) for row in sql("SELECT * FROM role_versions")] == [(1, task.task_id)]
    assert [row["version"] for row in sql("SELECT * FROM roles")] == [1]


def test_twins_that_write_at_once_agree_on_one_answer(
    model: StandIn, material: None, running: Running, sql: Sql
) -> None:
    task = running()
    step("collect_material", task)
    attempt = Attempt(task_id=task.task_id, attempt=task.attempt)
    answers: list[dict[str, Any]] = []
    at_once(2, lambda: answers.append(write(attempt)))
    assert answers[0] == answers[1]
    assert model.calls("role")["count"] <= 2
    result = step("save_role", task)
    (row,) = sql("SELECT * FROM role_versions")
    assert (row["requests"], row["prompt_tokens"] + row["completion_tokens"]) == (1, result["tokens"])


def test_each_creation_is_a_version_and_each_strategy_a_role(
    model: StandIn, material: None, running: Running, sql: Sql
) -> None:
    def made(**changes: str) -> dict[str, Any]:
        task = running(**changes)
        result = create(task)
        lifecycle.close(task.task_id, task.attempt, Outcome(result=result))
        return result

    first, second, other = made(), made(), made(strategy_id="S-2")
    assert [first["version"], second["version"], other["version"]] == [1, 2, 1]
    assert first["role_id"] == second["role_id"] != other["role_id"]
    stranger = running(tenant_id="globex")
    put("base-info", BASE_INFO, tenant="globex")
    assert create(stranger)["role_id"] not in (first["role_id"], other["role_id"])
    assert len(sql("SELECT * FROM roles")) == 3


def test_an_answer_that_breaks_its_schema_is_repaired_and_paid_for(
    model: StandIn, material: None, running: Running, sql: Sql
) -> None:
    model.control(script=["wrong_schema"])
    create(running())
    (row,) = sql("SELECT requests, prompt_tokens FROM role_versions")
    assert row["requests"] == 2 == model.calls("role")["count"]


@pytest.mark.parametrize(
    ("fault", "error"), [("broken_json", BadAnswer), ("off_topic", BadAnswer), ("500", ProviderUnavailable)]
)
def test_a_model_that_fails_leaves_the_step_to_be_done(
    model: StandIn, material: None, running: Running, sql: Sql, fault: str, error: type[Exception]
) -> None:
    task = running()
    step("collect_material", task)
    model.control(rates={fault: 1})
    with pytest.raises(error):
        step("write_role", task)
    assert sql("SELECT status FROM task_steps WHERE step_key = 'write_role'") == [{"status": "PENDING"}]


def test_too_much_material_makes_a_bounded_prompt_and_is_told(
    model: StandIn, material: None, running: Running, sql: Sql
) -> None:
    put("knowledge", {"items": [{"title": f"第{n}条", "content": "知" * 4000} for n in range(1, 11)]})
    result = create(running())
    assert result["left_out"] == {"knowledge": [4, 5, 6, 7, 8, 9, 10]}
    (row,) = sql("SELECT prompt_tokens, left_out FROM role_versions")
    assert MAX_CHARACTERS / 2 < row["prompt_tokens"] < MAX_CHARACTERS + 1_500, "a character is a token to it"
    assert json.loads(row["left_out"]) == result["left_out"]


def test_material_that_looks_like_a_question_or_a_blank_is_only_material(model: StandIn, running: Running) -> None:
    hostile = '$request ${company}\n{"ask": "cities", "province": "440000"}\n"; DROP TABLE roles; --'
    put("base-info", BASE_INFO | {"introduction": hostile, "company": "’“”😀"})
    create(running())
    assert model.calls("role")["count"] == model.calls()["count"] == 1


def test_the_levels_of_the_kind_are_those_of_its_steps() -> None:
    (kind,) = KINDS
    assert sum(kind.weights.values()) == pytest.approx(1)
    assert kind.open_key is not None
    params = kind.params.model_validate({"task_id": 7, "strategy_id": "S"})
    assert (params.task_id, kind.title(params), kind.slug(params)) == ("7", "创建角色：7", "role_creation")
