"""The published documentation: the OpenAPI document that `docs.document` made, and the Swagger UI page that shows it.

A deployment shows what it has: operations and kinds of a workload that is left out are not in its document. The
document also gives the methods of a path, for requests without a route of the gateway. The page holds the assets that
Powertools ships, and sends no request to another host.
"""

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from longhaul import settings

WORKLOAD = "x-workload"  # names the workload without which a deployment lacks this
DOCUMENT = Path(__file__).with_name("openapi.json")
ASSETS = "aws_lambda_powertools.event_handler.openapi.swagger_ui"

# `validatorUrl: null` because Swagger UI otherwise sends the document's address to a validator on the internet. The
# document's own address is relative, so that a stage's prefix does no harm.
_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; connect-src 'self'; \
base-uri 'none'; form-action 'none'">
<title>Longhaul API</title>
<style>$css</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>$js</script>
<script>
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  deepLinking: true,
  filter: true,
  validatorUrl: null,
  tryItOutEnabled: true,
});
</script>
</body>
</html>
""")


def kept() -> str:
    """The document with every workload, JSON."""
    return DOCUMENT.read_text(encoding="utf-8")


@cache
def openapi() -> str:
    """The document of this deployment, JSON."""
    return json.dumps(_deployed(), ensure_ascii=False)


def methods_at(path: str) -> list[str]:
    """The methods of a path in the document; none when it has no such path."""
    return next((methods for pattern, methods in _paths() if pattern.fullmatch(path)), [])


@cache
def _paths() -> list[tuple[re.Pattern[str], list[str]]]:
    """The paths without parameters come first: `/tasks/active` is not a task called active."""
    paths = _deployed()["paths"]
    return [
        (
            re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", path)))),
            [method.upper() for method in operations],
        )
        for path, operations in sorted(paths.items(), key=lambda item: item[0].count("{"))
    ]


@cache
def _deployed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(kept())
    chosen = settings.of(settings.Docs).workloads

    def is_there(part: dict[str, Any]) -> bool:
        return part.get(WORKLOAD, chosen[0]) in chosen

    paths = {
        path: dict(filter(lambda item: is_there(item[1]), item.items())) for path, item in document["paths"].items()
    }
    document["paths"] = {path: operations for path, operations in paths.items() if operations}
    for schema in document["components"]["schemas"].values():
        if "oneOf" in schema:
            schema["oneOf"] = [option for option in schema["oneOf"] if is_there(option)]
    return document


@cache
def page() -> str:
    """The page, about 1.7 MB before compression. Each execution environment makes it once."""
    assets = files(ASSETS)
    return _PAGE.substitute(
        css=assets.joinpath("swagger-ui.min.css").read_text(encoding="utf-8"),
        js=assets.joinpath("swagger-ui-bundle.min.js").read_text(encoding="utf-8"),
    )
