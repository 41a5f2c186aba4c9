"""The Idempotency-Key header (IETF draft): quoted, as the draft has it, or bare, as most clients send it."""

import re
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import AfterValidator

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def parse_idempotency_key(text: str | None) -> str | None:
    """The key without its quotes; None when there is no header. ValueError unless 1 to 255 printable ASCII."""
    if text is None:
        return None
    key = text.strip()
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    if not _KEY.fullmatch(key):
        raise ValueError("An Idempotency-Key is 1 to 255 printable ASCII characters, bare or in quotes.")
    return key


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A key of your own (1 to 255 printable ASCII characters): the same key and payload give the "
        "first answer again instead of a second effect.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
        json_schema_extra={"minLength": 1, "maxLength": 512},  # with its quotes and escapes; the key has 255
    ),
    AfterValidator(parse_idempotency_key),
]
"""A route's parameter: `idempotency_key: IdempotencyKey = None`; a wrong one is a 400."""
