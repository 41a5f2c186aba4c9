"""Serves diagnoses: estimates, reports, grids and cells, budgets and retries."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from diagnosis import budget, diagnoses, wire
from diagnosis.model import BudgetRequest, Diagnosis
from diagnosis.wire import (
    AnswerDocument,
    DiagnosisDocument,
    Estimate,
    ExecutionStatus,
    Grid,
    Retried,
    Spending,
)
from longhaul import llm, settings
from longhaul.http import (
    Api,
    IdempotencyKey,
    Response,
    TaskId,
    also,
    caller,
    conditional,
    dumps,
    etag_of,
    keyed_request,
    make_app,
    needs,
    replay_headers,
    respond,
)
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Limits,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
    settings.Models,
)

app = make_app()
READ: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["diagnoses"]}
WRITE: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["diagnoses"]}
POLL_SECONDS = "2"

QuestionKey = Annotated[
    str, Path(pattern=r"^q[0-9]{2}$", description="A question by its place, from q01.", examples=["q07"])
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
    models = [llm.model_named(name) for name in request.models]
    return respond(wire.estimate(request, budget.estimate(request, models)))


@app.get("/api/v1/diagnoses/<task_id>", **READ, summary="Read a diagnosis", openapi_extensions=also(304))
def get_diagnosis(task_id: TaskId) -> Response[DiagnosisDocument]:
    return _conditional(app, wire.diagnosis(diagnoses.read(task_id, caller(app).tenant_id)))


@app.patch("/api/v1/diagnoses/<task_id>", **WRITE, summary="Change a diagnosis's budget")
def change_diagnosis(
    task_id: TaskId, limits: Annotated[BudgetRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[Spending]:
    request = keyed_request(app, idempotency_key, limits)
    spending = wire.spending(*diagnoses.change_budget(task_id, request.tenant_id, limits.values(), request=request))
    return respond(spending, headers=replay_headers(request.replayed))


@app.post(
    "/api/v1/diagnoses/<task_id>/retry",
    **WRITE,
    summary="Ask again what was not answered",
    status_code=202,
    openapi_extensions=also(200),
)
def retry_diagnosis(task_id: TaskId, idempotency_key: IdempotencyKey = None) -> Response[Retried]:
    who = caller(app)
    retry = diagnoses.retry(task_id, who.tenant_id, who.user_id, idempotency_key=idempotency_key)
    headers = {"Location": f"/api/v1/tasks/{retry.task.task_id}", "Retry-After": POLL_SECONDS}
    return respond(wire.retried(retry), 200 if retry.replayed else 202, {**headers, **replay_headers(retry.replayed)})


@app.get("/api/v1/diagnoses/<task_id>/grid", **READ, summary="Read the grid", openapi_extensions=also(304))
def get_grid(task_id: TaskId) -> Response[Grid]:
    return _conditional(app, wire.grid(task_id, diagnoses.read_grid(task_id, caller(app).tenant_id)))


@app.get(
    "/api/v1/diagnoses/<task_id>/cells/<question>/<model>",
    **READ,
    summary="Read a cell",
    openapi_extensions=also(304),
)
def get_cell(task_id: TaskId, question: QuestionKey, model: ModelKey) -> Response[AnswerDocument]:
    cell = diagnoses.read_cell(task_id, caller(app).tenant_id, f"{question}/{model}")
    return _conditional(app, wire.answer(cell))


@app.get("/test/status/<execution_id>", **READ, summary="Read a diagnosis's progress", openapi_extensions=also(304))
def get_execution_status(execution_id: ExecutionId) -> Response[ExecutionStatus]:
    """By the names that its callers know."""
    return _conditional(app, wire.execution_status(diagnoses.read_progress(execution_id, caller(app).tenant_id)))


def _conditional[V: BaseModel](api: Api, document: V) -> Response[V]:
    text = dumps(document)
    return conditional(api, lambda: text, etag=etag_of(text))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
