"""The OpenAPI document of the whole bundle, kept beside this module as `openapi.json`.

    python -m docs.document        writes it (make openapi)

It is made when the code changes, not when it is requested. At run time it would import every domain, with all its
needs, into a function that holds no data and no permission. And a file in the repository shows a change of the API in
review. A test fails while the file differs from the code.

The domains are found in the folders: an HTTP function is a module of a domain with an `app`; a domain's kinds of task
are `KINDS` of its module `kinds`. No domain is imported by name, so this module depends on none.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from aws_lambda_powertools.event_handler.openapi.exceptions import OpenAPIMergeError
from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import Schema, Server

from docs.published import DOCUMENT, WORKLOAD
from longhaul import settings
from longhaul.http.openapi import describe
from longhaul.tasks.kinds import Kind

FUNCTIONS = Path(__file__).parents[1]
BY_KIND = "x-params-of-kind"  # marks a schema whose `params` are those of its `kind`

DESCRIPTION = """\
Submit work that takes minutes, follow it, steer it, read its results a page at a time.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems; but what the gateway refuses by itself (401, \
403, a 429 without `RateLimit`, 503) is `{"message": ...}` in the cloud: go by the status. How often a tenant may ask \
in a minute is limited by class (`x-rate-limit`). Every answer names itself in `X-Request-Id`. Times are RFC 3339 in \
UTC. Unknown query parameters are refused, sizes outside their bounds too (400). Answers over 1 KB are compressed when \
the caller accepts gzip. A `traceparent` goes on in the answer."""


def http_functions() -> list[str]:
    """The modules of the HTTP functions, without the one that serves this document."""
    found = [
        path for path in sorted(FUNCTIONS.glob("*/*.py")) if "\napp = make_app()\n" in path.read_text(encoding="utf-8")
    ]
    return [f"{path.parent.name}.{path.stem}" for path in found if path.parent.name != __package__]


def kinds() -> Iterator[tuple[str, Kind]]:
    """Every kind of task of every domain, with the domain."""
    for path in sorted(FUNCTIONS.glob("*/kinds.py")):
        for kind in import_module(f"{path.parent.name}.{path.stem}").KINDS:
            yield path.parent.name, kind


def workload(domain: str) -> dict[str, str]:
    """The mark of what only a deployment with this domain has; none for a domain that every deployment has."""
    declaration = (FUNCTIONS / domain / "deployment.yaml").read_text(encoding="utf-8")
    return {WORKLOAD: domain} if "\nworkload: true\n" in declaration else {}


def make() -> dict[str, Any]:
    """The document. OpenAPIMergeError when two functions claim one path and method, or one name for two schemas."""
    merge = OpenAPIMerge(
        title="Longhaul",
        version="1.0.0",
        description=DESCRIPTION,
        servers=[Server(url="/")],
        on_conflict="error",
    )
    known: dict[str, Any] = {}
    for name in http_functions():
        part = _part(name)
        for schema, body in part["components"]["schemas"].items():
            if known.setdefault(schema, body) != body:
                raise OpenAPIMergeError(f"{name} means another {schema} than a function before it")
        merge.add_schema(part)
    made = merge.get_openapi_schema()
    _add_params(made["components"]["schemas"])
    return made


def _add_params(schemas: dict[str, Any]) -> None:
    """A submitted task's params are those of one of the kinds. OpenAPIMergeError when a name means two schemas."""
    submitted = [schema for schema in schemas.values() if schema.pop(BY_KIND, False)]
    if not submitted:
        return
    options = []
    for domain, kind in kinds():
        schema_of_params = kind.params.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, schema in {**schema_of_params.pop("$defs", {}), kind.params.__name__: schema_of_params}.items():
            body = Schema.model_validate(schema).model_dump(mode="json", by_alias=True, exclude_none=True)
            if schemas.setdefault(name, body) != body:
                raise OpenAPIMergeError(f"the kind {kind.name} means another {name} than a function")
        params = {"$ref": f"#/components/schemas/{kind.params.__name__}"}
        needed = {"required": ["params"]} if schema_of_params.get("required") else {}
        properties = {"kind": {"const": kind.name}, "params": params}
        options.append({"title": kind.name, "properties": properties, **needed, **workload(domain)})
    for schema in submitted:
        schema["oneOf"] = options


def render(document: dict[str, Any]) -> str:
    """The text of the file: in a stable order, readable, its Chinese not escaped."""
    ordered = document | {"paths": dict(sorted(document["paths"].items()))}
    return json.dumps(ordered, ensure_ascii=False, indent=2) + "\n"


def _part(name: str) -> dict[str, Any]:
    """The document of one function, whose domain describes its tags. Its environment is not needed for the import."""
    domain = name.split(".")[0]
    with mock.patch.object(settings, "require"):
        app = import_module(name).app
    about = (import_module(domain).__doc__ or "").strip().split("\n")[0]
    part = describe(app, tag=domain)
    operations = [operation for item in part["paths"].values() for operation in item.values()]
    for operation in operations:
        operation |= workload(domain)
    used = {tag for operation in operations for tag in operation["tags"]}
    return part | {"tags": [{"name": tag, "description": about} for tag in sorted(used)]}


if __name__ == "__main__":
    DOCUMENT.write_text(render(make()), encoding="utf-8")
