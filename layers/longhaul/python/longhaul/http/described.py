"""What routes say of themselves to the OpenAPI document, where several say the same or a signature cannot."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path

ALSO = "x-also"
TEXTS = "x-texts"

TaskId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=96,
        description="A task's id, as submitting it gave.",
        examples=["province_广东省_20261122_143052_1a2b3c4d"],
    ),
]
"""A route's parameter: `task_id: TaskId`."""

KindName = Annotated[
    str,
    Path(min_length=1, max_length=64, description="A kind of task.", examples=["hospital_province_refresh"]),
]
"""A route's parameter: `kind: KindName`."""


def also(*statuses: int) -> dict[str, Any]:
    """A route's `openapi_extensions`: what it answers beside its own status and its errors.

    `also(304)` where it answers with `conditional`; `also(202)` where there may be more to wait for; `also(404)` where
    what is asked for stands in the body. Joined with
    others' by `|`: `openapi_extensions=limited("bulk") | also(202)`.
    """
    return {ALSO: list(statuses)}


def in_text(*media_types: str, json: bool = False) -> dict[str, Any]:
    """A route's `openapi_extensions`: it answers text of these media types, and JSON only with `json`."""
    return {TEXTS: {"media_types": list(media_types), "json": json}}
