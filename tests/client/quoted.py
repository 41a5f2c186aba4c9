"""Programs as people wrote them for TaskManager, run as they are.

They are quoted with their misprints; only their imports were changed. What is marked `added` was missing: imports, and
a method that two of the classes call and do not have.
"""

import ast
import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "programs"
SLEEP_SECONDS = 0.3  # however long a program means to sleep
LAST_SECONDS = 3.0  # for what a program leaves running: one of them watches for ever

_sleep = asyncio.sleep


def run(name: str) -> list[str]:
    """Return the lines that the program printed. Raises what it raises."""
    printed: list[str] = []
    path = FOLDER / f"{name}.py"
    code = compile(path.read_text(encoding="utf-8"), str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    scope: dict[str, Any] = {"__name__": name, "print": lambda *words: printed.append(" ".join(map(str, words)))}
    if "run" in code.co_names:  # it brings its own loop
        exec(code, scope)
    else:
        asyncio.run(_whole(lambda: eval(code, scope)))
    return printed


def hurried(delay: float, result: Any = None) -> Coroutine[Any, Any, Any]:
    """`asyncio.sleep`, but short when a program asks."""
    asks = Path(sys._getframe(1).f_code.co_filename).parent == FOLDER
    return _sleep(min(delay, SLEEP_SECONDS) if asks else delay, result)


async def _whole(program: Callable[[], Any]) -> None:
    """As `python -m asyncio` runs it: `await` may stand anywhere, and tasks may be started."""
    if inspect.isawaitable(waited := program()):
        await waited
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        done, _ = await asyncio.wait(left, timeout=LAST_SECONDS)
        for task in done:
            task.result()
