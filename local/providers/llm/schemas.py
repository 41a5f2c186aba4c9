"""Answers that fit a JSON schema: known values fill its fields, the rest is the least that the schema accepts."""

from collections.abc import Mapping
from typing import Any

FILLER = "无"


def fit(schema: Mapping[str, Any], value: Any, *, root: Mapping[str, Any] | None = None) -> Any:
    """Return a value that is valid under the schema, made of `value` as far as that has the fields.

    Of JSON Schema it knows what Pydantic writes for models of texts, numbers, lists and models.
    """
    root = root or schema
    if "$ref" in schema:
        return fit(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], value, root=root)
    if "anyOf" in schema:
        return _fit_any(schema["anyOf"], value, root)
    if "enum" in schema:
        return value if value in schema["enum"] else schema["enum"][0]
    match schema.get("type"):
        case "object":
            return _fit_object(schema, value, root)
        case "array":
            return _fit_array(schema, value, root)
        case "string":
            return _fit_text(schema, value)
        case "boolean":
            return value is True
        case "integer" | "number":
            return _fit_number(schema, value)
    return value


def _fit_any(options: list[Mapping[str, Any]], value: Any, root: Mapping[str, Any]) -> Any:
    if value is None and {"type": "null"} in options:
        return None
    return fit(next(option for option in options if option.get("type") != "null"), value, root=root)


def _fit_object(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """A text fills every field: as {name, company}, an identity is both."""
    known = value if isinstance(value, Mapping) else dict.fromkeys(schema.get("properties", {}), value)
    return {name: fit(part, known.get(name), root=root) for name, part in schema.get("properties", {}).items()}


def _fit_array(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> list[Any]:
    known = value if isinstance(value, list | tuple) else [] if value is None else [value]
    padded = [*known, *[None] * (schema.get("minItems", 0) - len(known))]
    return [fit(schema["items"], one, root=root) for one in padded[: schema.get("maxItems")]]


def _fit_text(schema: Mapping[str, Any], value: Any) -> str:
    text = value if isinstance(value, str) else ""
    if isinstance(value, Mapping):
        text = "：".join(str(value) for value in value.values())
    text = text or (FILLER if schema.get("minLength") else "")
    return text.ljust(schema.get("minLength", 0), FILLER)[: schema.get("maxLength")]


def _fit_number(schema: Mapping[str, Any], value: Any) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    number = max(number, schema.get("minimum", number))
    number = min(number, schema.get("maximum", number))
    return int(number) if schema.get("type") == "integer" else number
