"""Each state machine, executed within AWS's 256 KB with the largest input that its params and answers allow."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import diagnosis
import hospitals
import roles
from diagnosis.model import MAX_MODELS, MAX_QUESTIONS
from hospitals import divisions, summary
from hospitals.model import DivisionAnswer
from hospitals.provinces import PROVINCES, find_province
from longhaul import database, settings
from longhaul.errors import BadAnswer
from longhaul.tasks import store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Task
from longhaul.tasks.store import MAX_MESSAGE_CHARACTERS
from longhaul.tasks.submission import Submission
from roles.model import MAX_KNOWLEDGE, MAX_PRODUCTS
from tests.calling import call
from tests.machines import Raised, definition, executing
from tests.submitting import submit

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Sql = Callable[..., list[dict[str, Any]]]

CAUSE = "错" * 10_000  # Step Functions cuts a cause at 32,768 characters


def machine(package: Any, name: str) -> dict[str, Any]:
    return definition(Path(package.__file__).with_name(name))


def started(kind: str, params: dict[str, Any]) -> Task:
    submitted = submit(Submission("acme", "ada", kind, params))
    dispatch([kind])
    with database.connection() as session:
        task = store.fetch(session, submitted.task_id)
    assert task is not None
    return task


@pytest.fixture
def deployment(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    told = [{"name": name, "base_url": "http://x/v1", "model": "m", "secret_arn": "s"} for name in model_names()]
    values = {
        "LLM_BASE_URL": "http://x/v1",
        "LLM_MODEL": "m",
        "LLM_SECRET_ARN": "none",
        "LLM_TIMEOUT_SECONDS": "5",
        "LLM_RESPONSE_FORMAT": "auto",
    }
    values |= {"AI_MODELS": json.dumps(told), "MAX_DISTRICTS_IN_FLIGHT": "40", "HOSPITALS_BATCH_SIZE": "10"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings.of.cache_clear()


def model_names() -> list[str]:
    return [f"{number:02}".ljust(64, "m") for number in range(MAX_MODELS)]


def test_a_diagnosis_of_the_most_questions_and_models(deployment: None, sql: Sql) -> None:
    # GIVEN 50 questions of 1,000 Chinese characters to 10 models with names of 64
    questions = [f"{number}".ljust(1_000, "问") for number in range(MAX_QUESTIONS)]
    task = started("brand_diagnosis", {"brand": "牌" * 200, "questions": questions, "models": model_names()})
    called: Counter[str] = Counter()

    def function(name: str, event: dict[str, Any]) -> Any:
        called[name] += 1
        match name:
            case "PlanCalls":
                return call("diagnosis", "plan_calls", event)
            case "AskModel" if event["keys"][0].startswith("q01/"):
                raise Raised("BadAnswer", CAUSE)
            case "FailStep" if called[name] == 1:
                return call("tasks", "fail_step", event)
            case "WriteReport":
                raise Raised("TooManyFailures", CAUSE)
        return {"done": True}

    # WHEN its machine runs, THEN every batch is asked and the task is closed
    with executing(machine(diagnosis, "diagnose_brand.asl.yaml"), function) as execute:
        end = execute({"task_id": task.task_id, "attempt": task.attempt})
    assert (end.status, end.error) == ("FAILED", "TooManyFailures")
    assert called == {"PlanCalls": 1, "AskModel": 10, "FailStep": 10, "WriteReport": 1, "CloseTask": 1}

    # AND a failed cell keeps the label it was planned with
    row, *others = sql("SELECT label, error_message FROM task_steps WHERE status = 'FAILED'")
    assert len(others) == MAX_QUESTIONS - 1
    assert row["label"].endswith("问" * 100)
    assert row["error_message"] == CAUSE[:MAX_MESSAGE_CHARACTERS]


@pytest.fixture
def largest_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many divisions, with as long names, as are believed."""

    def children(parent: Any, place: int) -> list[DivisionAnswer]:
        codes = (int(parent.code) + number * place for number in range(divisions.MAX_CHILDREN))
        return [DivisionAnswer(code=str(code), name=f"{code}".ljust(50, "区")) for code in codes]

    monkeypatch.setattr(divisions, "_ask_cities", lambda province: children(province, 100))
    monkeypatch.setattr(divisions, "_ask_districts", lambda city: children(city, 1))


def test_a_refresh_of_every_province_with_the_most_divisions(deployment: None, largest_answers: None, sql: Sql) -> None:
    # GIVEN the whole country, of which one province has 100 cities of 100 districts each; the others cannot be listed
    task = started("hospital_full_refresh", {})
    refresh = machine(hospitals, "refresh_hospitals.asl.yaml")
    province = refresh["States"]["RefreshProvinces"]["ItemProcessor"]["States"]
    # 10,000 iterations of one code each take minutes: what is measured is the state that holds all their codes.
    province["RefreshDistricts"] = {"Type": "Pass", "ResultPath": None, "Next": "ProvinceDone"}
    failed = [{"step_key": "district/440101", "label": "区" * 200, "error_message": "错" * MAX_MESSAGE_CHARACTERS}]
    result = [summary._failed(row).model_dump() for row in failed * summary.MAX_FAILED_STEPS]
    called: Counter[str] = Counter()

    def function(name: str, event: dict[str, Any]) -> Any:
        called[name] += 1
        match name:
            case "ListProvinces":
                return call("hospitals", "list_provinces", event)
            case "ListCities" if event["code"] != "440000":
                raise Raised("BadAnswer", CAUSE)
            case "ListCities":
                return call("hospitals", "list_cities", event)
            case "ListDistricts" if called[name] == 1:
                return call("hospitals", "list_districts", event)
            case "ListDistricts":
                return {"districts": [str(int(event["code"]) + number) for number in range(divisions.MAX_CHILDREN)]}
            case "SummariseRefresh":
                return {"failed": result}
        return {"done": True}

    # WHEN its machine runs
    with executing(refresh, function) as execute:
        end = execute({"task_id": task.task_id, "attempt": task.attempt})

    # THEN it is closed with the longest result, after every city was listed
    assert (end.status, end.error) == ("SUCCEEDED", None)
    failures = len(PROVINCES) - 1
    assert called == {
        "ListProvinces": 1,
        "ListCities": len(PROVINCES),
        "FailStep": failures,
        "ListDistricts": 100,
        "SummariseRefresh": 1,
        "CloseTask": 1,
    }
    (count,) = sql("SELECT COUNT(*) AS districts FROM task_steps WHERE level = 'district'")
    assert count["districts"] == divisions.MAX_CHILDREN


def test_more_divisions_than_a_state_can_carry_are_not_believed() -> None:
    answer = [DivisionAnswer(code=f"{440000 + number}", name="某市") for number in range(divisions.MAX_CHILDREN + 1)]
    province = find_province("广东")
    assert len(divisions.checked(answer[1:], province)) == divisions.MAX_CHILDREN
    with pytest.raises(BadAnswer, match="101 divisions of 广东省"):
        divisions.checked(answer, province)


def test_a_role_from_which_everything_was_left_out(database: dict[str, Any]) -> None:
    result = {
        "role_id": "r" * 64,
        "version": 10**6,
        "missing": ["talk_style"],
        "left_out": {"products": [*range(MAX_PRODUCTS)], "knowledge": [*range(MAX_KNOWLEDGE)]},
        "model": "m" * 200,
    }
    closed: list[dict[str, Any]] = []

    def function(name: str, event: dict[str, Any]) -> Any:
        if name == "CloseTask":
            closed.append(event)
        return result if name == "SaveRole" else {"done": True}

    with executing(machine(roles, "create_role.asl.yaml"), function) as execute:
        assert execute({"task_id": "t" * 96, "attempt": 1}).status == "SUCCEEDED"
    assert closed[0]["result"] == result


@pytest.mark.parametrize(("function", "child"), [("list_cities", "440100"), ("list_districts", "440101")])
def test_an_execution_that_began_before_states_carried_codes_gets_names(
    deployment: None, largest_answers: None, function: str, child: str
) -> None:
    """It keeps the definition it began with, whose items are whole: a deployment must not strand it."""
    task = started("hospital_full_refresh", {})
    attempt = {"task_id": task.task_id, "attempt": task.attempt}
    code, name = ("440000", "广东省") if function == "list_cities" else ("440100", "广州市")
    answer = call("hospitals", function, attempt | {"code": code, "name": name, "within": ""})
    children = answer.get("cities") or answer["districts"]
    assert [one for one in children if one["code"] == child] == [
        attempt | {"code": child, "name": child.ljust(50, "区"), "within": name}
    ]
