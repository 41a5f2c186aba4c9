"""SQL lives only in `queries.sql` files, one per store (and in migrations): named, and every one of them used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.repository import Module, Repository

STATEMENT = re.compile(
    r"\b(SELECT\s.+\sFROM\s|SELECT\s+\d|INSERT\s+(IGNORE\s+)?INTO\s|REPLACE\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s"
    r"|TRUNCATE\s+TABLE\s|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|VIEW|DATABASE)\s)",
    re.DOTALL,
)
NAME = re.compile(r"^-- name: *(\w+)", re.MULTILINE)


def strings(repository: Repository) -> list[str]:
    """No string in what ships is a statement."""
    return [
        f"{module.path}:{line} holds SQL"
        for module in repository.modules
        for line, text in _strings(module)
        if STATEMENT.search(text)
    ]


def _strings(module: Module) -> Iterator[tuple[int, str]]:
    """Each string with its line, docstrings left out, the parts of an f-string together."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_text(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def _text(part: ast.expr) -> str:
    return part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "{}"


def files(repository: Repository) -> list[str]:
    """Every .sql file is a store's queries.sql, a migration, or what a new database begins with."""
    found = []
    for base in ("functions", "layers"):
        for path in repository.files(Path(base), "*.sql"):
            if path.name != "queries.sql" and path.parent.name not in ("migrations", "baseline"):
                found.append(f"{path} is neither queries.sql nor a migration")
    return found


def names(repository: Repository) -> list[str]:
    """Every query is used by the modules beside it, once named, and no query is called that is not there."""
    found = []
    for path in [*repository.files(Path("functions"), "queries.sql"), *repository.files(Path("layers"), "queries.sql")]:
        written = NAME.findall((repository.root / path).read_text(encoding="utf-8"))
        beside = [module for module in repository.modules if module.path.parent == path.parent]
        called = {name: place for module in beside for name, place in _called(module)}
        found += [f"{path}: {name} is used by nobody" for name in sorted(set(written) - called.keys())]
        found += [f"{place} calls {name}, which {path} lacks" for name, place in called.items() if name not in written]
        found += [f"{path}: {name} is there twice" for name in sorted({n for n in written if written.count(n) > 1})]
    return found


def _called(module: Module) -> Iterator[tuple[str, str]]:
    """(query, place) of each attribute of what `queries.load(__file__)` gave."""
    loaded = {
        target.id
        for node in module.tree.body
        if isinstance(node, ast.Assign) and _is_load(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in loaded:
            yield node.attr, f"{module.path}:{node.lineno}"


def _is_load(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "queries.load"
