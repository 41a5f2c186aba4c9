"""Functions run by the local stack's runtime alone, without the rest of a stack."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from local.runtime.api import Outcome
from local.runtime.pool import Settings
from local.runtime.runtime import Runtime
from local.template.model import Function

HANDLERS = Path(__file__).parent / "unit" / "local" / "sample" / "handlers.py"


def run(root: Path, work: Callable[[Runtime], Awaitable[None]], *functions: Function, **settings: Any) -> None:
    """Run `work` with a runtime of `functions`, whose code is in `root`: the sample's handlers unless it has others."""
    (root / "functions").mkdir(exist_ok=True)
    if not (root / "functions" / "app.py").exists():
        (root / "functions" / "app.py").write_text(HANDLERS.read_text())

    async def go() -> None:
        chosen = Settings(root, root / "logs", "http://127.0.0.1:1", {"OVERRIDE": "yes"}, **settings)
        runtime = Runtime({function.name: function for function in functions}, {"Physical-1": "Echo"}, chosen)
        try:
            await work(runtime)
        finally:
            await runtime.close()

    asyncio.run(go(), loop_factory=uvloop.new_event_loop)  # as a stack's


def payload(outcome: Outcome) -> Any:
    return json.loads(outcome.payload)
