"""Many tasks on the wire: what is asked for each, and the answer that each has."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from longhaul.errors import FieldError, InvalidRequest, LonghaulError
from longhaul.http import Api, Caller, document, parse_idempotency_key, pointer
from longhaul.tasks.bulk.changing import Change
from longhaul.tasks.bulk.selection import BulkAction
from longhaul.tasks.bulk.submitting import Answer, Joined
from longhaul.tasks.model import Priority
from longhaul.tasks.submission import Submission
from tasks.documents import ChangeRequest, SubmitRequest
from tasks.submissions import submission

type EndedStatus = Literal["SUCCEEDED", "FAILED", "CANCELLED"]

MOST_ITEMS = 100
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
        return Change(self.task_id, Priority[self.priority] if self.priority else None, self.title)


class SubmitMany(BaseModel):
    """Tasks to be run. One that is wrong is refused alone, so what an item is, is looked at later."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"items": [{"kind": "hospital_province_refresh", "params": {"province": "广东省"}}]}]
        },
    )

    items: list[Annotated[SubmitItem | SkipJsonSchema[Any], Field(union_mode="left_to_right")]] = Field(
        min_length=1, max_length=MOST_ITEMS
    )

    def submissions(self, who: Caller) -> list[Submission | LonghaulError]:
        return [
            submission(item, who, item.idempotency_key) if isinstance(item, SubmitItem) else refusal(SubmitItem, item)
            for item in self.items
        ]


class ChangeMany(BaseModel):
    """Changes of tasks, each of another one. One that is wrong is refused alone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"items": [{"task_id": EXAMPLE_ID, "priority": "urgent"}]}]},
    )

    items: list[Annotated[ChangeItem | SkipJsonSchema[Any], Field(union_mode="left_to_right")]] = Field(
        min_length=1, max_length=MOST_ITEMS
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

    dry_run: bool = False

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


def key_of_action(key: str | None) -> str | None:
    """A key that a tenant gave here is another one than the same given to a task of its own."""
    return key and f"actions/{hashlib.sha256(key.encode()).hexdigest()}"


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


def answer(app: Api, answers: Sequence[Answer], status: int) -> BatchAnswer:
    """`status` is that of the items which have a task of their own; one that was open already has 200."""
    items = list(_items(app, answers, status))
    refused = sum(item.problem is not None for item in items)
    return BatchAnswer(items=items, accepted=len(items) - refused, refused=refused)


def _items(app: Api, answers: Sequence[Answer], status: int) -> Iterator[ItemAnswer]:
    for index, told in enumerate(answers):
        if isinstance(told, str):
            yield ItemAnswer(index=index, status=status, task_id=told)
            continue
        if isinstance(told, Joined):
            yield ItemAnswer(index=index, status=200, task_id=told.task_id)
            continue
        problem = document(app, told)
        for error in problem.get("errors", ()):
            error["pointer"] = f"/items/{index}{error['pointer']}"
        yield ItemAnswer(index=index, status=told.status, problem=problem)
