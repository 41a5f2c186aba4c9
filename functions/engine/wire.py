"""A callback on the wire."""

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from longhaul.http import dumps

MAX_BODY_BYTES = 64 * 1024


class CallbackBody(BaseModel):
    """What the step is given: any JSON object of at most 64 KB."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"signed_by": "Ada"}]})

    @model_validator(mode="after")
    def fits(self) -> Self:
        if len(dumps(self.model_dump()).encode()) > MAX_BODY_BYTES:
            raise PydanticCustomError("too_large", f"a callback's body has at most {MAX_BODY_BYTES // 1024} KB")
        return self


class CallbackAnswer(BaseModel):
    """The callback is stored, and its step goes on."""

    received: bool
