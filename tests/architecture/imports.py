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
    return any(name.startswith("longhaul.database.queries") for _, name in edges(module))


def http(repository: Repository) -> list[str]:
    """Reads do not know HTTP: only functions, `wire` and `answers` modules, and the room `http` itself import it."""
    return sorted(
        {
            f"{module.path}:{line} imports {name}: HTTP is for functions, *wire and *answers modules"
            for module in repository.modules
            if not _speaks_http(module)
            for line, name in edges(module)
            if name.startswith("longhaul.http") or _is_wire(name.rsplit(".", 1)[-1])
        }
    )


def _speaks_http(module: Module) -> bool:
    return module.is_function or module.name.startswith(("longhaul.http", "docs.")) or _is_wire(module.stem)


def _is_wire(stem: str) -> bool:
    return stem in ("wire", "answers") or stem.endswith(("_wire", "_answers"))


# What follows a change of a task, and the modules of the core that may do it beside `lifecycle`: a repair of the live
# item, a purge of what nobody has any more, and the news of a step.
FOLLOWS = {
    "cache.invalidate": {"purging"},
    "live.overwrite": {"following"},
    "sqs.send": {"publication", "steps"},
    "workflows.start": set(),
    "workflows.stop": set(),
}


def doors(repository: Repository) -> list[str]:
    """What must happen when a task changes is written once, in `lifecycle.after_change`."""
    return [
        f"{module.path}:{node.lineno} calls {name}: leave it to lifecycle.after_change"
        for module in repository.modules
        if module.name.startswith("longhaul.tasks.") and module.stem != "lifecycle"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and (name := ast.unparse(node.func)) in FOLLOWS
        and module.stem not in FOLLOWS[name]
    ]


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
