"""Where the next page of a list begins, as a cursor that is good for that list only."""

import hashlib
from datetime import datetime
from typing import Any

from longhaul.errors import FieldError
from longhaul.http.cursors import InvalidCursor, seal, unseal
from longhaul.tasks.finding.model import Place, Question, Sort

TIMES = (Sort.created_at, Sort.updated_at)


def cursor_at(question: Question, place: Place | None) -> str | None:
    """None at the end."""
    if place is None:
        return None
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    return seal({"of": _digest(question), "after": [value, place.id]})


def place_of(question: Question, cursor: str | None) -> Place | None:
    """Where the cursor points; None for the beginning. InvalidCursor when it was made for another question."""
    if cursor is None:
        return None
    value, row = _after(question, cursor)
    return Place(datetime.fromisoformat(value) if question.sort in TIMES else value, row)


def cursor_after[T: (str, int)](of: object, key: T | None) -> str | None:
    """A cursor of the list that `of` tells apart from all others; None at the end."""
    return None if key is None else seal({"of": _digest(of), "after": key})


def key_of[T: (str, int)](of: object, cursor: str | None, beginning: T) -> T:
    """The key in the cursor, or that of the beginning. InvalidCursor when it was made for another list."""
    if cursor is None:
        return beginning
    key: T = _after(of, cursor)
    return key


def _after(of: object, cursor: str) -> Any:
    sealed = unseal(cursor)
    if sealed.get("of") != _digest(of):
        detail = "a cursor of another list: the tenant, the filters or the sorting differ"
        raise InvalidCursor(errors=[FieldError(pointer="query/cursor", detail=detail)])
    return sealed["after"]


def _digest(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:16]
