"""A module named by a verb is a Lambda function, and only that; id, event and test share its stem. All stay short."""

import ast
import json
import re
import tomllib
from pathlib import Path

from tests.architecture.repository import KERNEL, Repository

# What a function's name may begin with; a new one is added here when a function first needs it.
# fmt: off
VERBS = frozenset((
    "act", "analyse", "ask", "assemble", "assign", "authorize", "close", "collect", "deliver", "dispatch", "draw",
    "evaluate", "fail", "fetch", "finish", "fold", "list", "migrate", "plan", "post", "publish", "purge", "query",
    "read", "record", "recover", "refresh", "render", "run", "save", "send", "serve", "steer", "summarise", "sweep",
    "sync", "update", "write",
))
# fmt: on
WORKLOADS = "workloads"  # the package of code-first workloads, which may have any name
LONGEST_MODULE = 300
LONGEST_FUNCTION = 45

_HAN = re.compile(r"[\u3400-\u9fff]")


def names(repository: Repository) -> list[str]:
    """Verbs name functions, and only functions."""
    found = []
    for module in (m for m in repository.modules if m.domain and m.domain != WORKLOADS):
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
    found = [f"{wanted[name]} is not in the template: run `make template`" for name in sorted(wanted.keys() - stated)]
    found += [f"{name} is in the template, but {stated[name]} is not there" for name in sorted(stated.keys() - wanted)]
    found += [
        f"{name} is {stated[name]} in the template, {wanted[name]} in the code: run `make template`"
        for name in sorted(wanted.keys() & stated)
        if wanted[name] != stated[name]
    ]
    return found


def events(repository: Repository) -> list[str]:
    """Each function has one sample event, and no event is without its function."""
    wanted = {Path("events", module.domain, f"{module.stem}.json") for module in repository.functions}
    present = {path for path in repository.files(Path("events"), "*.json") if path.parent.name != WORKLOADS}
    found = [f"{path} is missing" for path in sorted(wanted - present)]
    found += [f"{path} belongs to no function" for path in sorted(present - wanted)]
    for path in sorted(wanted & present):
        try:
            json.loads((repository.root / path).read_text(encoding="utf-8"))
        except ValueError as error:
            found.append(f"{path} is not JSON: {error}")
    return found


def workloads(repository: Repository) -> list[str]:
    """Each module of the package declares a workload and no function. It has a sample to submit, and a test."""
    found = []
    modules = [m for m in repository.modules if m.domain == WORKLOADS and m.stem not in ("__init__", "kinds")]
    samples = set(repository.files(Path("events", WORKLOADS), "*.json"))
    named = {path.name for path in repository.files(Path("tests"), "test_*.py")}
    for module in modules:
        kinds = _declared_workloads(module.tree)
        sample = Path("events", WORKLOADS, f"{module.stem}.json")
        if module.is_function:
            found.append(f"{module.path} has a handler: workloads are run by the functions of engine")
        if not kinds:
            found.append(f"{module.path} declares no Workload: only workloads belong into {module.path.parent}")
        if sample not in samples:
            found.append(f"{sample} is missing: what a caller of {module.stem} submits, as JSON")
        elif _kind_of(repository.root / sample) not in kinds:
            found.append(f"{sample} is no {{kind, params}} of a workload that {module.path} declares")
        if f"test_{module.stem}.py" not in named:
            found.append(f"{module.path} has no test: tests/integration/{WORKLOADS}/test_{module.stem}.py")
    stems = {module.stem for module in modules}
    return found + [f"{path} belongs to no workload" for path in sorted(samples) if path.stem not in stems]


def _declared_workloads(tree: ast.Module) -> set[str]:
    """The kinds of the workloads that are bound to names of the module."""
    calls = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return {
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call, ast.Call) and ast.unparse(call.func).split("[")[0] == "Workload" and call.args
    }


def _kind_of(sample: Path) -> str | None:
    try:
        body = json.loads(sample.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return body["kind"] if isinstance(body, dict) and body.keys() == {"kind", "params"} else None


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


def typed(repository: Repository) -> list[str]:
    """mypy checks every package."""
    settings = tomllib.loads((repository.root / "pyproject.toml").read_text(encoding="utf-8"))
    checked = set(settings["tool"]["mypy"]["packages"])
    present = {name for name in ("local", "bench", "deployment", "examples") if (repository.root / name).is_dir()}
    for base in (Path("functions"), KERNEL, Path("client")):
        present |= {
            path.parent.name for path in repository.files(base, "__init__.py") if len(path.relative_to(base).parts) == 2
        }
    return [f"pyproject.toml: add {name} to the packages of tool.mypy" for name in sorted(present - checked)]


def sizes(repository: Repository) -> list[str]:
    """Modules of at most 300 lines, functions at most 45, in all that is not a test."""
    found = []
    for base in ("functions", "layers", "local", "client", "deployment", "examples"):
        for path in repository.files(Path(base), "*.py"):
            text = (repository.root / path).read_text(encoding="utf-8")
            lines = text.count("\n")
            if lines > LONGEST_MODULE:
                found.append(f"{path} has {lines} lines")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    if length > LONGEST_FUNCTION:
                        found.append(f"{path}:{node.lineno} {node.name} has {length} lines")
    return found


def english(repository: Repository) -> list[str]:
    """What the core and the client say is English; a workload brings its own language. Examples may be a workload's."""
    found = []
    for base in (KERNEL, Path("functions", "tasks"), Path("client")):
        for path in repository.files(base, "*.py"):
            tree = ast.parse((repository.root / path).read_text(encoding="utf-8"))
            spared = {id(inner) for node in ast.walk(tree) for part in _spared(node) for inner in ast.walk(part)}
            found += [
                f"{path}:{node.lineno} says {node.value[:20]!r}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
                if _HAN.search(node.value) and id(node) not in spared
            ]
    return found


def _spared(node: ast.AST) -> list[ast.AST]:
    """Docstrings, `examples=`, {"examples": ...} and EXAMPLE_... = ..."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return [node]
        case ast.keyword(arg="examples"):
            return [node]
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            return [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "examples"]
        case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("EXAMPLE_"):
            return [node]
    return []


def _camel(stem: str) -> str:
    return "".join(word.capitalize() for word in stem.split("_"))
