"""What a caller may give: ids, times and lists. Each is the type of a Pydantic field and states its rule.

Nothing is trimmed or normalised. Rows compare ids byte by byte (migration 0007): two ids that look alike are two ids.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

MAX_OWN_ID_LENGTH = 64
MAX_TENANT_LENGTH = 64
MAX_SUBJECT_LENGTH = 255  # OpenID Connect Core, section 2

OWN_ID_RULE = (
    f"an id is 1 to {MAX_OWN_ID_LENGTH} characters, without whitespace, control characters and any of "
    '/ \\ ? # % ", and is not . or ..'
)
OWN_ID_ERROR = "own_id"  # the type of a validation error: 422 wherever the id stands
OWN_ID_PATTERN = r'^[^\s/\\?#%"\x00-\x1f\x7f-\x9f]+$'

_CONTROL = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"  # half a surrogate pair is no character either
_OWN_ID = re.compile(rf'[^\s/\\?#%"{_CONTROL}]{{1,{MAX_OWN_ID_LENGTH}}}')
_CLAIMED = re.compile(rf"[^{_CONTROL}]+")


def own_id(text: str) -> str:
    """`text`, an id that a caller has chosen. Raises PydanticCustomError with the rule.

    An id may stand in a path, so what has a meaning there is left out: a gateway or a proxy may decode a path, resolve
    its dots or cut it at `?`.
    """
    if _OWN_ID.fullmatch(text) is None or text in (".", ".."):
        raise PydanticCustomError(OWN_ID_ERROR, OWN_ID_RULE)
    return text


class _Documented:
    """The rule in a field's JSON schema, beside what the field says of itself (WithJsonSchema would replace that)."""

    def __init__(self, **rule: int | str) -> None:
        self._rule = rule

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema) | self._rule


OwnId = Annotated[
    str, AfterValidator(own_id), _Documented(minLength=1, maxLength=MAX_OWN_ID_LENGTH, pattern=OWN_ID_PATTERN)
]
"""A field or a path parameter: what a tenant calls something of its own."""


def claimed(text: str, longest: int) -> bool:
    """Whether `text` may be the id of a tenant or a user: 1 to `longest` characters, none of them a control character,
    no whitespace of any kind around it.
    """
    return len(text) <= longest and _CLAIMED.fullmatch(text) is not None and text == text.strip()


def _tenant_id(text: str) -> str:
    if not claimed(text, MAX_TENANT_LENGTH):
        raise ValueError(
            f"a tenant's id is 1 to {MAX_TENANT_LENGTH} characters, without control characters and whitespace around it"
        )
    return text


TenantId = Annotated[str, AfterValidator(_tenant_id), _Documented(minLength=1, maxLength=MAX_TENANT_LENGTH)]
"""A field: a tenant's id, given by an operator."""


_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _written_out(value: Any) -> Any:
    """Pydantic takes numbers, dates and times without a zone too."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("a time is written 2026-11-25T14:30:52Z, or with an offset such as +08:00")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time lies between the years 1 and 9999 in UTC") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
"""A request's field for a time, in UTC."""


EMPTY = "the list is empty: name at least one, or leave it out"
EMPTY_MEMBER = "the list has an empty member: name each, or leave the list out"


def _filled(value: Any) -> Any:
    if isinstance(value, list | tuple) and not value:
        raise ValueError(EMPTY)
    return value


NotEmpty = BeforeValidator(_filled)
"""A list of a request that says which ones are meant: given and empty it could mean none or all, and either guess may
cancel or delete everything, so it is refused.

Beside `min_length=1`: `status: Annotated[list[Status], NotEmpty] = Field(default_factory=list, min_length=1)`.
"""


MAX_COST = 1_000_000
COST_STEP = Decimal("0.00000001")  # the database's precision
_DIGITS = re.compile(r"(?=.*[1-9])(0|[1-9][0-9]{0,6})(\.[0-9]{1,8})?")


def _digits(value: Any) -> Any:
    """Decimal takes texts of many forms; here a cost is a number or its digits, as a task's params hold it."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("a number above 0, or its digits as a text")
    return value


type Cost = Annotated[
    Decimal,
    Field(gt=0, le=MAX_COST),
    AfterValidator(lambda amount: amount.quantize(COST_STEP, ROUND_UP)),
    BeforeValidator(_digits),
    PlainSerializer(lambda amount: f"{amount.normalize():f}", return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_COST},
                {"type": "string", "pattern": r"^(?=.*[1-9])(0|[1-9][0-9]{0,5})(\.[0-9]{1,8})?$"},
            ]
        }
    ),
]
"""A field of a request: what may be spent at most."""
