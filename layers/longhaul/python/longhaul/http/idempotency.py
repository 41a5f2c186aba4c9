"""The Idempotency-Key header (IETF draft): quoted, as the draft has it, or bare, as most clients send it."""

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import AfterValidator, BaseModel

from longhaul.http.identity import caller
from longhaul.idempotency import KeyedRequest

REPLAYED = "Idempotency-Replayed"

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
PATTERN = r"""^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~][ -~]{0,254})$"""  # as the document has it
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
        json_schema_extra={"minLength": 1, "maxLength": 512, "pattern": PATTERN},  # 512: with its quotes and escapes
    ),
    AfterValidator(parse_idempotency_key),
]
"""A route's parameter: `idempotency_key: IdempotencyKey = None`; a wrong one is a 400."""


def keyed_request(
    app: APIGatewayHttpResolver, idempotency_key: str | None, payload: BaseModel | None = None
) -> KeyedRequest:
    """The present request as what it changes remembers it: one that is sent again has no second effect."""
    event = app.current_event
    query = sorted(event.resolved_query_string_parameters.items())
    body = payload.model_dump(mode="json", exclude_unset=True) if payload else None
    return KeyedRequest(caller(app).tenant_id, idempotency_key, [event.http_method, unquote(event.path), query, body])


def replay_headers(replayed: bool) -> Mapping[str, str]:
    """What tells an answer that changed nothing, as its request was carried out before."""
    return {REPLAYED: "true"} if replayed else {}
