"""Many tasks on the wire: what is asked for each, and the answer that each has."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from longhaul.errors import FieldError, InvalidRequest, LonghaulError
from longhaul.http import Api, Caller, document, parse_idempotency_key, pointer
from longhaul.tasks import bulk
from longhaul.tasks.batches import Change, Deduplicated, SubmitResult
from longhaul.tasks.bulk import BulkAction
from longhaul.tasks.submission import Submission, Submitted, find_made, submit
from tasks.wire import ChangeRequest, SubmitRequest

Other = Annotated[Any, Field(description="Anything else is taken too: it is refused alone, by a problem in its place.")]

type EndedStatus = Literal["SUCCEEDED", "FAILED", "CANCELLED"]

MAX_ITEMS = 100
EXAMPLE_ID = "province_广东省_20261122_143052_1a2b3c4d"


class SubmitItem(SubmitRequest):
    """A task to be run."""

    idempotency_key: Annotated[str | None, AfterValidator(parse_idempotency_key)] = Field(
        None, description="As the header Idempotency-Key of a task that is submitted alone."
    )


class ChangeItem(ChangeRequest):
    """What is to become of a task; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task_id": EXAMPLE_ID, "priority": "urgent"}]})

    task_id: str = Field(min_length=1, max_length=96, examples=[EXAMPLE_ID])

    def change(self) -> Change:
        return Change(self.task_id, self.wish())


class SubmitMany(BaseModel):
    """Tasks to be run. One that is wrong is refused alone, so what an item is, is looked at later."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"items": [{"kind": "hospital_province_refresh", "params": {"province": "广东省"}}]}]
        },
    )

    items: list[Annotated[SubmitItem | Other, Field(union_mode="left_to_right")]] = Field(
        min_length=1, max_length=MAX_ITEMS
    )

    def submissions(self, who: Caller) -> list[Submission | LonghaulError]:
        return [
            item.submission(who, item.idempotency_key) if isinstance(item, SubmitItem) else refusal(SubmitItem, item)
            for item in self.items
        ]


class ChangeMany(BaseModel):
    """Changes of tasks, each of another one. One that is wrong is refused alone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"items": [{"task_id": EXAMPLE_ID, "priority": "urgent"}]}]},
    )

    items: list[Annotated[ChangeItem | Other, Field(union_mode="left_to_right")]] = Field(
        min_length=1, max_length=MAX_ITEMS
    )

    def changes(self) -> list[Change | LonghaulError]:
        return [item.change() if isinstance(item, ChangeItem) else refusal(ChangeItem, item) for item in self.items]


class ActionRequest(BulkAction):
    """What is to be done with every task that matches; with `dry_run` only how many they are is told."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "cancel", "filter": {"status": ["PENDING"], "created_before": "2026-11-01T00:00:00Z"}}
            ]
        }
    )

    dry_run: StrictBool = False

    def params(self) -> dict[str, Any]:
        """Of the task that carries it out."""
        return self.model_dump(mode="json", exclude={"dry_run"}, exclude_defaults=True)


class ItemAnswer(BaseModel):
    """What became of an item: its task, or the problem that kept it from having one."""

    index: int = Field(description="Its place in the request, from 0.")
    status: int = Field(description="What it would have been answered with alone.", examples=[202])
    task_id: str | None = None
    problem: dict[str, Any] | None = Field(
        default=None, description="As any problem; pointers begin with /items/<index>."
    )


class BatchAnswer(BaseModel):
    """An answer for each item, in order."""

    items: list[ItemAnswer]
    accepted: int
    refused: int


class Matched(BaseModel):
    """How many tasks the action would be for."""

    matched: int


class PurgeAnswer(BaseModel):
    """How many tasks were deleted; `more`: there was not time for all."""

    deleted: int
    more: bool


def start_action(request: ActionRequest, who: Caller, idempotency_key: str | None) -> Submitted:
    """The task that carries it out, or the one that this key has made. Raises TooManyMatches, KeyReused, LaneFull."""
    # A key that a tenant gave here is another one than the same given to a task of its own.
    key = idempotency_key and f"actions/{hashlib.sha256(idempotency_key.encode()).hexdigest()}"
    if find_made(who.tenant_id, key) is None:  # one that is sent again matches other tasks by now
        bulk.count_matching(who.tenant_id, request.filter)
    return submit(Submission(who.tenant_id, who.user_id, bulk.KIND, request.params(), idempotency_key=key))


def refusal(model: type[BaseModel], item: object) -> InvalidRequest:
    """What is wrong with an item that the model does not take."""
    try:
        model.model_validate(item)
    except ValidationError as error:
        errors = [
            FieldError(pointer=pointer(("body", *wrong["loc"])), detail=wrong["msg"].removeprefix("Value error, "))
            for wrong in error.errors()
        ]
        return InvalidRequest("; ".join(f"{e['pointer']}: {e['detail']}" for e in errors[:3]), errors=errors)
    raise ValueError(f"{model.__name__} takes the item")


def written_answer(app: Api, answers: Sequence[SubmitResult], *, status: int) -> dict[str, Any]:
    """As `answer`, as it is on the wire."""
    return answer(app, answers, status).model_dump(mode="json")


def answer(app: Api, answers: Sequence[SubmitResult], status: int) -> BatchAnswer:
    """`status` is that of the items which have a task of their own; one that was open already has 200."""
    items = list(_items(app, answers, status))
    refused = sum(item.problem is not None for item in items)
    return BatchAnswer(items=items, accepted=len(items) - refused, refused=refused)


def _items(app: Api, answers: Sequence[SubmitResult], status: int) -> Iterator[ItemAnswer]:
    for index, result in enumerate(answers):
        if isinstance(result, str):
            yield ItemAnswer(index=index, status=status, task_id=result)
            continue
        if isinstance(result, Deduplicated):
            yield ItemAnswer(index=index, status=200, task_id=result.task_id)
            continue
        problem = document(app, result)
        if "errors" in problem:
            problem["errors"] = [
                {**error, "pointer": f"/items/{index}{error['pointer']}"} for error in problem["errors"]
            ]
        yield ItemAnswer(index=index, status=result.status, problem=problem)
