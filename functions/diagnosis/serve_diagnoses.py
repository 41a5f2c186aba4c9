"""Serves diagnoses: what one would take, its report, its grid and its cells, its budget, and asking again."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from diagnosis import diagnoses
from diagnosis.model import Diagnosis
from diagnosis.views import (
    AnswerDocument,
    BudgetRequest,
    DiagnosisDocument,
    Estimate,
    ExecutionStatus,
    Grid,
    Retried,
    Spending,
)
from longhaul import settings
from longhaul.http import Api, Response, TaskId, also, caller, conditional, dumps, etag_of, make_app, needs, respond
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Limits,
    settings.DispatchQueue,
    settings.Live,
    settings.Models,
)

app = make_app()
READ: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["diagnoses"]}
WRITE: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["diagnoses"]}
POLL_SECONDS = "2"

QuestionKey = Annotated[
    str, Path(pattern=r"^q\d{2}$", description="A question by its place, from q01.", examples=["q07"])
]
ModelKey = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="A model's name.", examples=["deepseek"]),
]
ExecutionId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=96,
        description="A diagnosis's task_id.",
        examples=["brand_diagnosis_20261125_143052_1a2b3c4d"],
    ),
]


@app.post("/api/v1/diagnoses/estimate", **READ, summary="Estimate a diagnosis")
def estimate_diagnosis(request: Annotated[Diagnosis, Body()]) -> Response[Estimate]:
    return respond(diagnoses.estimate(request))


@app.get("/api/v1/diagnoses/<task_id>", **READ, summary="Read a diagnosis", openapi_extensions=also(304))
def get_diagnosis(task_id: TaskId) -> Response[DiagnosisDocument]:
    return _conditional(app, diagnoses.read(task_id, caller(app).tenant_id))


@app.patch("/api/v1/diagnoses/<task_id>", **WRITE, summary="Change a diagnosis's budget")
def change_diagnosis(task_id: TaskId, request: Annotated[BudgetRequest, Body()]) -> Response[Spending]:
    return respond(diagnoses.change_budget(task_id, caller(app).tenant_id, request))


@app.post("/api/v1/diagnoses/<task_id>/retry", **WRITE, summary="Ask again what was not answered", status_code=202)
def retry_diagnosis(task_id: TaskId) -> Response[Retried]:
    who = caller(app)
    retried = diagnoses.retry(task_id, who.tenant_id, who.user_id)
    headers = {"Location": f"/api/v1/tasks/{retried.task_id}", "Retry-After": POLL_SECONDS}
    return respond(retried, 202, headers)


@app.get("/api/v1/diagnoses/<task_id>/grid", **READ, summary="Read the grid", openapi_extensions=also(304))
def get_grid(task_id: TaskId) -> Response[Grid]:
    return _conditional(app, diagnoses.read_grid(task_id, caller(app).tenant_id))


@app.get(
    "/api/v1/diagnoses/<task_id>/cells/<question>/<model>",
    **READ,
    summary="Read a cell",
    openapi_extensions=also(304),
)
def get_cell(task_id: TaskId, question: QuestionKey, model: ModelKey) -> Response[AnswerDocument]:
    return _conditional(app, diagnoses.read_cell(task_id, caller(app).tenant_id, f"{question}/{model}"))


@app.get("/test/status/<execution_id>", **READ, summary="Read a diagnosis's progress", openapi_extensions=also(304))
def get_execution_status(execution_id: ExecutionId) -> Response[ExecutionStatus]:
    """By the names that its callers know (seed 002)."""
    return _conditional(app, diagnoses.read_status(execution_id, caller(app).tenant_id))


def _conditional[V: BaseModel](api: Api, document: V) -> Response[V]:
    text = dumps(document)
    return conditional(api, lambda: text, etag=etag_of(text))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
