"""A module named by a verb is a Lambda function, and only that; id, event and test share its stem. All stay short."""

import ast
import json
from pathlib import Path

from tests.architecture.repository import Repository

# What a function's name may begin with; a new one is added here when a function first needs it.
# fmt: off
VERBS = frozenset((
    "act", "analyse", "ask", "assemble", "assign", "close", "collect", "deliver", "dispatch", "draw", "fail", "fetch",
    "list", "migrate", "plan", "purge", "query", "recover", "refresh", "render", "save", "serve", "steer", "summarise",
    "sweep", "sync", "update", "write",
))
# fmt: on
LONGEST_MODULE = 200
LONGEST_FUNCTION = 45


def names(repository: Repository) -> list[str]:
    """Verbs name functions, and only functions."""
    found = []
    for module in (m for m in repository.modules if m.domain):
        starts_with_verb = module.stem.split("_")[0] in VERBS
        if module.is_function and not starts_with_verb:
            found.append(f"{module.path} has a handler, but its name begins with no verb")
        if starts_with_verb and not module.is_function:
            found.append(f"{module.path} is named by a verb, but has no handler")
    return found


def only_functions(repository: Repository) -> list[str]:
    """A function parses, makes one call, answers: errors are translated at the edge, not in it."""
    return [
        f"{module.path}:{node.lineno} handles an error; the edge does that"
        for module in repository.functions
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Try)
    ]


def logical_ids(repository: Repository) -> list[str]:
    """Template and modules name each other: RefreshDistrict is hospitals.refresh_district.handler."""
    wanted = {_camel(module.stem): f"{module.name}.handler" for module in repository.functions}
    stated = {name: properties["Handler"] for name, properties in repository.function_resources().items()}
    return [
        f"{name}: the template says {stated.get(name)}, the modules say {wanted.get(name)}"
        for name in sorted(wanted.keys() | stated.keys())
        if wanted.get(name) != stated.get(name)
    ]


def events(repository: Repository) -> list[str]:
    """Each function has one sample event, and no event is without its function."""
    wanted = {Path("events", module.domain, f"{module.stem}.json") for module in repository.functions}
    present = set(repository.files(Path("events"), "*.json"))
    found = [f"{path} is missing" for path in sorted(wanted - present)]
    found += [f"{path} belongs to no function" for path in sorted(present - wanted)]
    for path in sorted(wanted & present):
        try:
            json.loads((repository.root / path).read_text(encoding="utf-8"))
        except ValueError as error:
            found.append(f"{path} is not JSON: {error}")
    return found


def tests(repository: Repository) -> list[str]:
    """Each function is named in a test (refresh_district or RefreshDistrict), or in a test's file name."""
    texts = [
        f"{path.name}\n{(repository.root / path).read_text(encoding='utf-8')}"
        for path in repository.files(Path("tests"), "*.py")
        if "architecture" not in path.parts
    ]
    return [
        f"{module.path} is named in no test"
        for module in repository.functions
        if not any(module.stem in text or _camel(module.stem) in text for text in texts)
    ]


def sizes(repository: Repository) -> list[str]:
    """Modules under 200 lines, functions at most 45, in all that is not a test."""
    found = []
    for base in ("functions", "layers", "local", "client"):
        for path in repository.files(Path(base), "*.py"):
            text = (repository.root / path).read_text(encoding="utf-8")
            lines = text.count("\n")
            if lines >= LONGEST_MODULE:
                found.append(f"{path} has {lines} lines")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    if length > LONGEST_FUNCTION:
                        found.append(f"{path}:{node.lineno} {node.name} has {length} lines")
    return found


def _camel(stem: str) -> str:
    return "".join(word.capitalize() for word in stem.split("_"))
