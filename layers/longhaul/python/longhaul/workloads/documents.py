"""What a workload's functions give and return, as JSON documents."""

import json
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

MAX_BYTES = 256 * 1024


def as_json(value: Any) -> str:
    """The value in JSON, with what Pydantic can write (times, decimals, models). Raises ValueError."""
    try:
        return json.dumps(to_jsonable_python(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def document(value: Any) -> dict[str, Any]:
    """An object of at most MAX_BYTES; None is an empty one. Raises ValueError, which says what is wrong with it."""
    if value is not None and not isinstance(value, BaseModel | dict):
        raise ValueError(f"is {type(value).__name__}, and has to be an object or a model")
    try:
        text = as_json(value or {})
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from error
    if (size := len(text.encode())) > MAX_BYTES:
        raise ValueError(
            f"has {size:,} bytes; what is over {MAX_BYTES:,} belongs into a table of the workload's own (step.save) or "
            "a bucket, and its key into the output"
        )
    loaded: dict[str, Any] = json.loads(text)
    return loaded
