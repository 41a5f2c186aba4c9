"""Filling in a JSON schema: what is known goes where it is asked for, the rest is the least that the schema takes."""

from collections.abc import Mapping
from typing import Any

FILLER = "无"


def fit(schema: Mapping[str, Any], told: Any, *, root: Mapping[str, Any] | None = None) -> Any:
    """A value that keeps the schema, made of `told` as far as that has what is asked for.

    Of JSON Schema it knows what Pydantic writes for models of texts, numbers, lists and models.
    """
    root = root or schema
    if "$ref" in schema:
        return fit(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], told, root=root)
    if "anyOf" in schema:
        return _fit_any(schema["anyOf"], told, root)
    if "enum" in schema:
        return told if told in schema["enum"] else schema["enum"][0]
    match schema.get("type"):
        case "object":
            return _fit_object(schema, told, root)
        case "array":
            return _fit_array(schema, told, root)
        case "string":
            return _fit_text(schema, told)
        case "boolean":
            return told is True
        case "integer" | "number":
            return _fit_number(schema, told)
    return told


def _fit_any(options: list[Mapping[str, Any]], told: Any, root: Mapping[str, Any]) -> Any:
    if told is None and {"type": "null"} in options:
        return None
    return fit(next(option for option in options if option.get("type") != "null"), told, root=root)


def _fit_object(schema: Mapping[str, Any], told: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """A text fills every field: an identity asked for as {name, company} is both."""
    known = told if isinstance(told, Mapping) else dict.fromkeys(schema.get("properties", {}), told)
    return {name: fit(part, known.get(name), root=root) for name, part in schema.get("properties", {}).items()}


def _fit_array(schema: Mapping[str, Any], told: Any, root: Mapping[str, Any]) -> list[Any]:
    known = told if isinstance(told, list | tuple) else [] if told is None else [told]
    padded = [*known, *[None] * (schema.get("minItems", 0) - len(known))]
    return [fit(schema["items"], one, root=root) for one in padded[: schema.get("maxItems")]]


def _fit_text(schema: Mapping[str, Any], told: Any) -> str:
    text = told if isinstance(told, str) else ""
    if isinstance(told, Mapping):
        text = "：".join(str(value) for value in told.values())
    text = text or (FILLER if schema.get("minLength") else "")
    return text.ljust(schema.get("minLength", 0), FILLER)[: schema.get("maxLength")]


def _fit_number(schema: Mapping[str, Any], told: Any) -> float:
    number = told if isinstance(told, int | float) and not isinstance(told, bool) else 0
    number = max(number, schema.get("minimum", number))
    number = min(number, schema.get("maximum", number))
    return int(number) if schema.get("type") == "integer" else number
