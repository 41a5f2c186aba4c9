"""Callbacks of a task: addresses, given with its submission, to which its notices are posted (domain `webhooks`).

They are stored in the INSERT that makes the task, so neither is there without the other.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from longhaul import addresses
from longhaul.validation import NotEmpty

MAX_CALLBACKS = 5  # of a task

type NoticeType = Literal[
    "longhaul.task.started",
    "longhaul.task.succeeded",
    "longhaul.task.failed",
    "longhaul.task.expired",
    "longhaul.task.cancelled",
    "longhaul.task.paused",
    "longhaul.task.resumed",
    "longhaul.task.retried",
    "longhaul.task.requeued",
    "longhaul.task.changed",
    "longhaul.task.recovered",
]
"""What is posted. Progress and submissions are hints, for sockets only."""

type WebhookType = Literal[
    "longhaul.task.started",
    "longhaul.task.succeeded",
    "longhaul.task.failed",
    "longhaul.task.expired",
    "longhaul.task.cancelled",
    "longhaul.task.paused",
    "longhaul.task.resumed",
    "longhaul.task.retried",
    "longhaul.task.requeued",
    "longhaul.task.changed",
    "longhaul.task.recovered",
    "longhaul.alert.firing",
    "longhaul.alert.escalated",
    "longhaul.alert.repeated",
    "longhaul.alert.acknowledged",
    "longhaul.alert.resolved",
]
"""What is posted to webhooks: the same, and what becomes of alerts."""

Events = Annotated[
    list[NoticeType],
    NotEmpty,
    Field(min_length=1, max_length=20, description="Only notices of these types.", examples=[["longhaul.task.failed"]]),
]
PostUrl = Annotated[
    str,
    AfterValidator(addresses.checked),
    Field(
        min_length=1,
        max_length=addresses.MAX_CHARACTERS,
        description="Where notices are posted: https, a public host, without user, password and fragment.",
        examples=["https://hooks.example.com/longhaul"],
    ),
]


class Callback(BaseModel):
    """An address that is told of this task alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: PostUrl
    events: Events | None = Field(None, description="Only notices of these types; all when left out.")


def distinct(callbacks: list[Callback]) -> list[Callback]:
    """Raises ValueError for an address that is there twice: it would be told everything twice."""
    if len({callback.url for callback in callbacks}) < len(callbacks):
        raise ValueError("two callbacks have the same url")
    return callbacks


def written(callbacks: Sequence[Callback]) -> str | None:
    """As the task's row holds them; None for none."""
    return json.dumps([callback.model_dump(exclude_none=True) for callback in callbacks]) if callbacks else None
