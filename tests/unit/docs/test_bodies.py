"""What callers send as JSON is taken as it is: a number is no text, a text is no number, and neither is a boolean."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any
from unittest import mock

import pytest
from pydantic import BaseModel, TypeAdapter

from docs import document
from longhaul import settings

LAX = frozenset({"bool", "int", "float"})  # what Pydantic makes of other types too, unless it is to be strict


def bodies() -> dict[str, Any]:
    """The type of each route's body, and each kind's params."""
    found: dict[str, Any] = {}
    with mock.patch.object(settings, "require"):
        for name in document.http_functions():
            for route in import_module(name).app.routes:
                for field in route.dependant.body_params:
                    found[route.func.__name__] = field.field_info.annotation
    return found | {kind.name: kind.params for _, kind in document.kinds()}


def lax_parts(schema: Any, place: str = "") -> Iterator[str]:
    """Where a core schema takes more than the JSON type it names."""
    if isinstance(schema, dict):
        if schema.get("type") in LAX and not schema.get("strict"):
            yield f"{place}: {schema['type']}"
        for name, part in schema.items():
            if name == "json_schema_input_schema":  # tells the document what a validator of ours takes
                continue
            yield from lax_parts(part, f"{place}/{name}" if name not in ("schema", "fields", "metadata") else place)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from lax_parts(part, place)


@pytest.mark.parametrize(("name", "body"), bodies().items(), ids=list(bodies()))
def test_json_types_are_strict(name: str, body: Any) -> None:
    assert list(lax_parts(TypeAdapter(body).core_schema)) == []


def test_a_lax_field_is_found() -> None:
    class Inner(BaseModel):
        there: int | None = None

    class Body(BaseModel):
        paused: bool
        items: list[Inner]

    assert sorted(part.rpartition(": ")[2] for part in lax_parts(TypeAdapter(Body).core_schema)) == ["bool", "int"]
