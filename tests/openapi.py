"""Reading the OpenAPI document: what an operation takes, an example of it, values that it must refuse."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from docs import published

type Schema = dict[str, Any]

DOCUMENT: dict[str, Any] = json.loads(published.kept())
BOUNDS = frozenset({"enum", "const", "minimum", "maximum", "minLength", "maxLength", "pattern", "format", "maxItems"})


@dataclass(frozen=True)
class Operation:
    path: str
    method: str
    told: Schema

    def __str__(self) -> str:
        return str(self.told["operationId"])

    @property
    def scopes(self) -> list[str]:
        return [scope for requirement in self.told.get("security", []) for scope in requirement["bearer"]]

    def parameters(self, place: str) -> list[Schema]:
        """Those of `path`, `query` or `header`."""
        return [parameter for parameter in self.told.get("parameters", []) if parameter["in"] == place]

    @property
    def body_example(self) -> Any:
        """None when the operation takes no body; AssertionError when it takes one and shows none."""
        if "requestBody" not in self.told:
            return None
        content = self.told["requestBody"]["content"]["application/json"]
        if "example" in content:
            return content["example"]
        examples = resolved(content["schema"]).get("examples")
        assert examples, f"the body of {self} has no example: its model's json_schema_extra"
        return examples[0]

    def answer(self, status: int) -> Schema:
        """What the document says of this status; KeyError when nothing."""
        return resolved(self.told["responses"][str(status)])


def operations() -> list[Operation]:
    return [Operation(path, method, told) for path, item in DOCUMENT["paths"].items() for method, told in item.items()]


def resolved(part: Schema) -> Schema:
    """What a `$ref` refers to; anything else as it is."""
    while "$ref" in part:
        found: Any = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def complaints(schema: Schema, body: Any) -> list[str]:
    """Where `body` is not what the schema says."""
    validator = Draft202012Validator({"allOf": [schema], "components": DOCUMENT["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def alternatives(schema: Schema) -> list[Schema]:
    """The schema without its null, resolved; what stands beside an `anyOf` holds for each of it."""
    schema = resolved(schema)
    beside = {name: value for name, value in schema.items() if name != "anyOf"}
    options = [beside | resolved(option) for option in schema["anyOf"]] if "anyOf" in schema else [schema]
    return [option for option in options if option.get("type") != "null"]


def example_of(parameter: Schema) -> Any:
    """LookupError when the document shows none."""
    if "example" in parameter:
        return parameter["example"]
    if "examples" in parameter:
        return next(iter(parameter["examples"].values()))["value"]
    return parameter["schema"]["examples"][0]


def is_bounded(schema: Schema) -> bool:
    """Whether a value of any size or sort would do: a list by its length or its items, else by itself."""
    return all(
        option["type"] == "boolean"
        or bool(option.keys() & BOUNDS)
        or (option["type"] == "array" and is_bounded(option["items"]))
        for option in alternatives(schema)
    )


def refused_values(schema: Schema) -> Iterator[str]:
    """Texts that are outside of the schema's bounds, as a query would have them."""
    for option in alternatives(schema):
        if "enum" in option or "pattern" in option or option.get("format") in ("date-time", "uuid"):
            yield "~none~" if not re.search(option.get("pattern", "$^"), "~none~") else "no one"
        if option.get("type") in ("integer", "number"):
            yield "one"
        if "minimum" in option:
            yield str(int(option["minimum"]) - 1)
        if "maximum" in option:
            yield str(int(option["maximum"]) + 1)
        if option.get("minLength", 0) > 0:
            yield ""
        if "maxLength" in option:
            yield "x" * (option["maxLength"] + 1)
        if "maxItems" in option:
            (value, *_) = [*(str(item) for item in option.get("examples", [[]])[0]), "x"]
            yield ",".join([value] * (option["maxItems"] + 1))
        if option.get("type") == "array":
            yield from refused_values(option["items"])
        if option.get("type") == "boolean":
            yield "~none~"
