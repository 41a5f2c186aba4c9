"""How values look on the wire: JSON in UTF-8, times as RFC 3339 in UTC to the millisecond (`...T14:30:52.123Z`)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, cast

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, PlainSerializer

JSON = "application/json"


def rfc3339(moment: datetime) -> str:
    """`moment` in UTC, milliseconds, `Z`. A naive moment is UTC already: the database's are."""
    naive = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    return naive.isoformat(timespec="milliseconds") + "Z"


Timestamp = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json-unless-none")]
"""A model's field for a time: `created_at: Timestamp`."""


def dumps(value: Any) -> str:
    """`value` as compact JSON, not escaped; models, datetimes and decimals may be anywhere in it."""
    if isinstance(value, BaseModel):
        return value.model_dump_json(by_alias=True)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)


def respond[T](
    body: T | str, status: int = 200, headers: Mapping[str, str] | None = None, *, content_type: str = JSON
) -> Response[T]:
    """An answer: a model, a dict that the route's return annotation describes, None, or text, which stays as it is."""
    return Response(
        status_code=status,
        content_type=None if body is None else content_type,
        body=cast(T, body),
        headers=dict(headers or {}),
    )


def with_times(value: Any) -> Any:
    """`value` with each datetime in its dicts and lists as text; models know how to write their own."""
    match value:
        case dict():
            return {key: with_times(item) for key, item in value.items()}
        case list() | tuple():
            return [with_times(item) for item in value]
        case datetime():
            return rfc3339(value)
    return value


def _plain(value: object) -> Any:
    match value:
        case datetime():
            return rfc3339(value)
        case BaseModel():
            return value.model_dump(mode="json", by_alias=True)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
