"""Imports run one way: function -> logic -> store -> kernel, and no domain imports another."""

import ast
from collections.abc import Iterator

from tests.architecture.repository import Module, Repository

# What does not ship, so what ships cannot import it.
WORKSHOP = frozenset({"bench", "client", "local", "tests"})


def edges(module: Module) -> Iterator[tuple[int, str]]:
    """(line, name) of each import; for `from a import b` both `a` and `a.b`, as b may be a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    climb = node.level - (module.path.stem == "__init__")
    return ".".join([*package[: len(package) - climb], *([node.module] if node.module else [])])


def domains(repository: Repository) -> list[str]:
    """No domain imports another, the kernel imports no domain, and nothing that ships imports the workshop."""
    known = {module.domain for module in repository.modules if module.domain}
    found = []
    for module in repository.modules:
        for line, name in edges(module):
            top = name.split(".")[0]
            if (top in known and top != module.domain) or top in WORKSHOP:
                found.append(f"{module.path}:{line} imports {top}")
    return sorted(set(found))


def functions(repository: Repository) -> list[str]:
    """A function is where imports begin: nothing imports one."""
    names = {module.name for module in repository.functions}
    return [
        f"{module.path}:{line} imports the function {name}"
        for module in repository.modules
        for line, name in edges(module)
        if name in names and name != module.name
    ]


def stores(repository: Repository) -> list[str]:
    """A store is below the logic: it imports nothing of its domain that itself stands on a store."""
    by_name = {module.name: module for module in repository.modules if module.domain}
    is_store = {name for name, module in by_name.items() if _loads_queries(module)}
    on_store = {
        name
        for name, module in by_name.items()
        if name not in is_store and any(imported in is_store for _, imported in edges(module))
    }
    return [
        f"{by_name[name].path}:{line} is a store and imports the logic {imported}"
        for name in sorted(is_store)
        for line, imported in edges(by_name[name])
        if imported in on_store
    ]


def _loads_queries(module: Module) -> bool:
    return any(name.startswith("longhaul.queries") for _, name in edges(module))


def cycles(repository: Repository) -> list[str]:
    """No module imports itself by way of others. (A package's `__init__` may import what stands in it.)"""
    known = {module.name for module in repository.modules}
    graph = {module.name: _needs(module, known) for module in repository.modules}
    leaf = True
    while leaf:
        leaf = False
        for name in [name for name, others in graph.items() if not others & graph.keys()]:
            del graph[name]
            leaf = True
    return [f"{name} is on, or above, an import cycle" for name in sorted(graph)]


def _needs(module: Module, known: set[str]) -> set[str]:
    named = {name for _, name in edges(module)} & known - {module.name}
    return {name for name in named if not module.name.startswith(f"{name}.")}
