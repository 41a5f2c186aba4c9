"""The OpenAPI document of the whole bundle, kept beside this module as `openapi.json`.

    python -m docs.document        writes it (make openapi)

It is made when the code changes, not when it is asked for: at run time it would mean to import every domain, with all
they need, into a function that holds no data and no permission; and kept in the repository, a change of the API is
seen in its review. A test fails while the file is not what the code says.

Which domains there are is read from the folders: an HTTP function is a module of a domain with an `app`. None is
imported by name, so this stands on all of them and depends on none.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from aws_lambda_powertools.event_handler.openapi.exceptions import OpenAPIMergeError
from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import Server

from docs.published import DOCUMENT
from longhaul import settings
from longhaul.http.openapi import describe

FUNCTIONS = Path(__file__).parents[1]

DESCRIPTION = """\
Submit work that takes minutes, follow it, steer it, read its results a page at a time.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems; but what the gateway refuses by itself (401, \
403, a 429 without `RateLimit`, 503) is `{"message": ...}` in the cloud: go by the status. How often a tenant may ask \
in a minute is limited by class (`x-rate-limit`). Every answer names itself in `X-Request-Id`. Times are RFC 3339 in \
UTC. Unknown query parameters are refused, sizes outside their bounds too (400). Answers over 1 KB are compressed when \
the caller accepts gzip. A `traceparent` goes on in the answer."""


def http_functions() -> list[str]:
    """The modules of the HTTP functions, but for the one that serves this document."""
    found = [
        path for path in sorted(FUNCTIONS.glob("*/*.py")) if "\napp = make_app()\n" in path.read_text(encoding="utf-8")
    ]
    return [f"{path.parent.name}.{path.stem}" for path in found if path.parent.name != __package__]


def make() -> dict[str, Any]:
    """The document; OpenAPIMergeError when two functions claim one path and method, or one name for two schemas."""
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
    return merge.get_openapi_schema()


def render(document: dict[str, Any]) -> str:
    """As the file has it: stable, readable, its Chinese examples too."""
    ordered = document | {"paths": dict(sorted(document["paths"].items()))}
    return json.dumps(ordered, ensure_ascii=False, indent=2) + "\n"


def _part(name: str) -> dict[str, Any]:
    """What one function serves, its tags told by its domain; imported without the environment it needs to run."""
    domain = name.split(".")[0]
    with mock.patch.object(settings, "require"):
        app = import_module(name).app
    about = (import_module(domain).__doc__ or "").strip().split("\n")[0]
    part = describe(app, tag=domain)
    used = {tag for item in part["paths"].values() for operation in item.values() for tag in operation["tags"]}
    return part | {"tags": [{"name": tag, "description": about} for tag in sorted(used)]}


if __name__ == "__main__":
    DOCUMENT.write_text(render(make()), encoding="utf-8")
