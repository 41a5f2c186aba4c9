"""Diagnoses in the test's process: their functions one after the other, as the state machine calls them."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from diagnosis.model import Diagnosis
from local.providers.llm.models import PERSONAS
from longhaul import database as longhaul_database
from longhaul import llm, settings
from longhaul.errors import PermanentError, TaskStopped, TransientError
from longhaul.tasks import lifecycle, store
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.steps import fail_step, planned_step
from longhaul.tasks.submission import Submission
from tests.calling import call
from tests.chatting import API_KEY, StandIn
from tests.gateway import TASKS, Api
from tests.submitting import submit

BRANDS = ["星野", "Lumo", "北辰"]
MODELS = ["deepseek", "qwen", "doubao"]
QUESTIONS = [f"第 {number} 个问题：买哪一款好？" for number in range(1, 13)]

type Sql = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def models(database: dict[str, Any], stand_in: StandIn) -> Iterator[StandIn]:
    """The functions' environment with the stand-in's models by their names."""
    secrets = boto3.client("secretsmanager")
    told = []
    for persona in PERSONAS:
        name = f"model-{persona.name}-{os.urandom(4).hex()}"
        told.append(
            {
                "name": persona.name,
                "base_url": f"{stand_in.url}/models/{persona.name}/v1",
                "model": persona.model,
                "secret_arn": secrets.create_secret(Name=name, SecretString=persona.key(API_KEY))["ARN"],
                "prompt_price": persona.prompt_price,
                "completion_price": persona.completion_price,
                "max_concurrent": persona.max_concurrent,
            }
        )
    os.environ.update(
        LLM_BASE_URL=stand_in.base_url,
        LLM_MODEL="stand-in",
        LLM_SECRET_ARN="none",
        LLM_TIMEOUT_SECONDS="5",
        LLM_RESPONSE_FORMAT="auto",
        AI_MODELS=json.dumps(told),
    )
    settings.of.cache_clear()
    llm._client.cache_clear()
    stand_in.control(brands=BRANDS, models={persona.name: {"latency_ms": 0} for persona in PERSONAS})
    yield stand_in
    llm._client.cache_clear()
    del os.environ["AI_MODELS"]
    settings.of.cache_clear()


def params(asking: int = 2, **more: Any) -> dict[str, Any]:
    """A diagnosis of the first so many of the questions."""
    brand, *competitors = BRANDS
    given = {"brand": brand, "competitors": competitors, "models": MODELS, "questions": QUESTIONS[:asking]}
    return given | more


@dataclass
class Diagnoses:
    """`trouble`: what each cell that could not be asked raised, in order."""

    trouble: list[tuple[str, str]] = field(default_factory=list)

    def submitted(self, **asked: Any) -> Task:
        task = submit(Submission("acme", "ada", "brand_diagnosis", params(**asked)))
        return self.started(task.task_id)

    def started(self, task_id: str) -> Task:
        dispatch(["brand_diagnosis"])
        return self.task(task_id)

    def task(self, task_id: str) -> Task:
        with longhaul_database.connection() as session:
            task = store.fetch(session, task_id)
        assert task is not None
        return task

    def batches(self, task: Task) -> list[dict[str, Any]]:
        """The batches of cells that are to be asked, of all models."""
        planned = call("diagnosis", "plan_calls", {"task_id": task.task_id, "attempt": task.attempt})
        return [batch for column in planned["columns"] for batch in column["batches"]]

    def plan(self, task: Task) -> list[dict[str, Any]]:
        """The cells that are to be asked, one by one."""
        attempt = {"task_id": task.task_id, "attempt": task.attempt}
        return [attempt | {"key": key} for batch in self.batches(task) for key in batch["keys"]]

    def ask(self, cell: dict[str, Any], tries: int = 8) -> None:
        """As the state machine does: again when it is transient, recorded when it is not."""
        for _ in range(tries):
            try:
                call("diagnosis", "ask_model", cell)
                return
            except TaskStopped:
                return
            except (TransientError, PermanentError) as raised:
                error = raised
                self.trouble.append((cell["key"], raised.code))
                if isinstance(raised, PermanentError):
                    break
        planned = planned_step(cell["task_id"], cell["key"], "ai_fetching")
        fail_step(cell["task_id"], cell["attempt"], planned, TaskError(error.code, str(error)))

    def ask_batch(self, batch: dict[str, Any], tries: int = 20) -> None:
        """As the state machine does: again while something is left, which has failed at last."""
        for _ in range(tries):
            try:
                call("diagnosis", "ask_model", batch)
                return
            except TaskStopped:
                return
            except TransientError as raised:
                error = {"Error": type(raised).__name__, "Cause": str(raised)}
        call("tasks", "fail_step", batch | {"error": error})

    def report(self, task: Task) -> Task:
        """Write it and close the task."""
        attempt = {"task_id": task.task_id, "attempt": task.attempt}
        try:
            outcome = Outcome(result=call("diagnosis", "write_report", attempt))
        except TaskStopped:
            return self.task(task.task_id)
        except PermanentError as error:
            outcome = Outcome(error=TaskError(error.code, str(error)))
        lifecycle.close(task.task_id, task.attempt, outcome)
        return self.task(task.task_id)

    def run(self, task: Task) -> Task:
        for batch in self.batches(task):
            self.ask_batch(batch)
        return self.report(task)

    def resumed(self, task: Task) -> Task:
        lifecycle.resume(task.task_id, task.tenant_id)
        return self.started(task.task_id)


@pytest.fixture
def diagnoses(models: StandIn) -> Diagnoses:
    return Diagnoses()


@pytest.fixture
def api(models: StandIn) -> Api:
    return Api(functions=("diagnosis.serve_diagnoses", *TASKS))


@pytest.fixture
def grid(api: Api) -> Callable[[Task], dict[str, str]]:
    """The state of each cell."""

    def read(task: Task) -> dict[str, str]:
        rows = api.get(f"/api/v1/diagnoses/{task.task_id}/grid")["rows"]
        return {cell["key"]: cell["state"] for row in rows for cell in row["cells"]}

    return read


def asked(task: Task) -> Diagnosis:
    return Diagnosis.model_validate(task.params)
