"""The deployment, done by a process of its own that ends with it.

The template's translator and boto3 keep 50 MB, and nothing of the stack needs them afterwards. `local.template` is the
program; here are what it is given, what it gives back, and how the stack runs it.
"""

import asyncio
import contextlib
import os
import pickle
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from subprocess import PIPE
from typing import Any

from local.options import ROOT, Options, StackError
from local.processes import last_line, tied
from local.template.model import Blueprint, Deployment


@dataclass(frozen=True)
class Order:
    """What is deployed: the template of `options`, with `issuer` as the URL of the tokens' issuer and `secret` as the
    database's."""

    options: Options
    issuer: str
    secret: dict[str, Any]


type Deployed = tuple[Blueprint, Deployment]
type Deployer = Callable[[Order], Awaitable[Deployed]]


@contextlib.asynccontextmanager
async def deployer(options: Options) -> AsyncIterator[Deployer]:
    """Start the process, which imports what it needs meanwhile. Yields what deploys an order, once.

    That raises StackError with the reason. The process is gone when the block ends.
    """
    log = options.logs / "deployment.log"
    with log.open("wb") as errors:  # of this start alone, so that its last line is the reason
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.template"),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            start_new_session=True,
            preexec_fn=tied(),
        )

    async def deploy(order: Order) -> Deployed:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(ConnectionError, RuntimeError):  # asyncio's and uvloop's, when it has ended already
            process.stdin.write(pickle.dumps(order))
            process.stdin.close()
        answer = await process.stdout.read()
        if code := await process.wait():
            raise StackError(f"the deployment ended with {code}: {last_line(log)}")
        done: Deployed | StackError = pickle.loads(answer)  # of our own process
        if isinstance(done, StackError):
            raise done
        return done

    try:
        yield deploy
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
