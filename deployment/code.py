"""What the code says of the deployment: settings, routes, steps of state machines."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from unittest import mock

from longhaul import settings

_STEP = re.compile(r"\$\{(\w+)Arn\}")


@dataclass(frozen=True)
class Route:
    """A route of the HTTP API, as its handler `name` serves it; without scopes it is open to all."""

    name: str
    method: str
    path: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """A state machine: the functions that are its steps, and whether it has a Distributed Map.

    `runs_steps`: its input names a function, one of those that run steps of code-first workloads.
    """

    path: Path
    steps: tuple[str, ...]
    distributed: bool
    runs_steps: bool


def camel(name: str) -> str:
    """Return `RefreshDistrict` for refresh_district, and for REFRESH_DISTRICT."""
    return "".join(word.capitalize() for word in name.split("_"))


def is_function(path: Path) -> bool:
    """Whether the module has a `handler` that Lambda can run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "handler" for node in tree.body)


def required(tree: ast.AST) -> list[str]:
    """Return the variables of the models named in `settings.require(settings.Database, ...)`, each once."""
    return list(
        dict.fromkeys(
            field.upper()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "settings.require"
            for model in node.args
            for field in getattr(settings, ast.unparse(model).removeprefix("settings.")).model_fields
        )
    )


def routes(path: Path) -> Iterator[Route]:
    """The routes of the function's `app` that are in the API's document. Its settings are not needed for the import."""
    if "\napp = make_app()\n" not in path.read_text(encoding="utf-8"):
        return
    with mock.patch.object(settings, "require"):
        app = import_module(f"{path.parent.name}.{path.stem}").app
    for route in app.routes:
        if route.include_in_schema:
            scopes = tuple(scope for needs in route.security or () for names in needs.values() for scope in names)
            yield Route(camel(route.func.__name__), route.method, re.sub(r"<(\w+)>", r"{\1}", route.path), scopes)


def machine(path: Path) -> Machine:
    text = path.read_text(encoding="utf-8")
    steps = tuple(dict.fromkeys(_STEP.findall(text)))
    return Machine(path, steps, "Mode: DISTRIBUTED" in text, runs_steps="FunctionName.$:" in text)


def workflows(module: str) -> set[str]:
    """The logical ids that a module's KINDS name as their workflow."""
    return {kind.workflow for kind in import_module(module).KINDS}
