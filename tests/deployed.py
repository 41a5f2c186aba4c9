"""A function in a test reads the settings that its module requires, which are those that the template gives it.

Without this a function that forgets one works here, where all functions share an environment, and fails in the cloud.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import ModuleType

from longhaul import settings
from longhaul.settings import Settings, SettingsError

_read = settings.of
_running: ContextVar[tuple[str, frozenset[str]] | None] = ContextVar("running", default=None)


@contextmanager
def deployed(function: ModuleType) -> Iterator[None]:
    """While the block runs, this function is what reads settings."""
    token = _running.set((function.__name__, _required(Path(function.__file__ or ""))))
    try:
        yield
    finally:
        _running.reset(token)


def running() -> str | None:
    """The function that runs, such as `tasks.serve_tasks`."""
    current = _running.get()
    return current[0] if current else None


@contextmanager
def elsewhere() -> Iterator[None]:
    """The block is what others do while a function runs."""
    token = _running.set(None)
    try:
        yield
    finally:
        _running.reset(token)


def guarded[S: Settings](model: type[S]) -> S:
    """As `settings.of`. Raises SettingsError for what the running function does not require."""
    if running := _running.get():
        function, given = running
        if missing := model.model_fields.keys() - given:
            raise SettingsError(
                f"{function} reads {sorted(missing)}: add settings.{model.__name__} to what it requires"
            )
    return _read(model)


guarded.cache_clear = _read.cache_clear  # type: ignore[attr-defined]


@cache
def _required(path: Path) -> frozenset[str]:
    """The fields of the models named in `settings.require(...)`."""
    return frozenset(
        field
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "settings.require"
        for model in node.args
        for field in getattr(settings, ast.unparse(model).removeprefix("settings.")).model_fields
    )
