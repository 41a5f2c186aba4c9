"""Cursors: where the next page begins, sealed so that nobody can make one or use it for another question.

A cursor is not an authorisation: who may read is asked for each page anew.
"""

import base64
import binascii
import hashlib
import hmac
import json
from functools import cache
from typing import Any

from longhaul import aws, settings
from longhaul.errors import DatabaseUnavailable, FieldError, InvalidRequest

SEAL_BYTES = 16


class InvalidCursor(InvalidRequest):
    """The cursor is not one of ours, or not for this question."""

    code = "invalid_cursor"
    status = 400


def seal(position: dict[str, Any]) -> str:
    """An opaque text for `position`, which should hold what the question was (its filters, its page size) as well."""
    body = json.dumps(position, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(_tag(body) + body).rstrip(b"=").decode()


def unseal(cursor: str, *, pointer: str = "query/cursor") -> dict[str, Any]:
    """The position in a cursor that `seal` made. InvalidCursor, at `pointer`, for any other text."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    tag, body = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
    if not hmac.compare_digest(tag, _tag(body)):
        raise InvalidCursor(errors=[FieldError(pointer=pointer, detail="not a cursor of this API")])
    position: dict[str, Any] = json.loads(body)
    return position


def cursor_after(of: object, key: Any) -> str | None:
    """A cursor that continues after `key` (JSON) the list that `of` tells apart from all others; None for no key."""
    return None if key is None else seal({"of": _digest(of), "after": key})


def key_of(of: object, cursor: str) -> Any:
    """The key in a cursor of `cursor_after`. Raises InvalidCursor when it was made for another list."""
    sealed = unseal(cursor)
    if sealed.get("of") != _digest(of):
        detail = "a cursor of another list: the tenant, the filters or the sorting differ"
        raise InvalidCursor(errors=[FieldError(pointer="query/cursor", detail=detail)])
    return sealed["after"]


def _digest(of: object) -> str:
    text = of if isinstance(of, str) else repr(of)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tag(body: bytes) -> bytes:
    return hmac.digest(_key(settings.of(settings.Cursors).cursor_secret_arn), body, hashlib.sha256)[:SEAL_BYTES]


@cache
def _key(arn: str) -> bytes:
    try:
        return aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"].encode()
    except aws.errors() as error:
        raise DatabaseUnavailable("the cursors' key cannot be read") from error
