"""The supervisor: starts every part in order, keeps it running, and takes all of it down again."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from local import schedules
from local.control import Control
from local.deployment import CREDENTIALS, DeploymentError, deploy
from local.gateway import Gateway
from local.issuer import Issuer, write_private
from local.model import ACCOUNT, REGION, Blueprint, Deployment, EventRule
from local.options import Options, StackError, check_ports, lock
from local.parameters import parameters
from local.pollers import Poller
from local.processes import Service
from local.queues import Queues
from local.runtime import Runtime, Settings
from local.services import database_secret, services_of, until_ready
from local.template import TemplateError, read

DEVELOPER = ("local", "developer")  # tenant and user of the token in the state folder

log = logging.getLogger(__name__)


class Stack:
    """One stack; `run` returns when it was told to stop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.issuer = Issuer(options.state, options.port)
        self._gateway = Gateway(self.issuer)
        self._rules: tuple[EventRule, ...] = ()
        self._control = Control(self._route_event, self._about)
        self._services = services_of(options)
        self._runtime: Runtime | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._failure: str | None = None

    async def run(self, announce: Callable[["Stack"], None]) -> None:
        """Start, call `announce` when all is ready, wait for SIGTERM or SIGINT, stop.

        Raises StackError when it could not start, or when a part died that it can't do without.
        """
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop.set)
        if self.options.attached:
            loop.add_reader(sys.stdin.fileno(), self._stop.set)
        async with contextlib.AsyncExitStack() as exits:
            session = await exits.enter_async_context(aiohttp.ClientSession())
            await self._listen(exits)
            exits.push_async_callback(self._end)
            starting = asyncio.create_task(self._start(session))
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                announce(self)
                await stopping
            else:
                starting.cancel()
                await asyncio.wait((starting,))
        if self._failure is not None:
            raise StackError(self._failure)

    async def _listen(self, exits: contextlib.AsyncExitStack) -> None:
        """Serve the gateway (not ready yet) and the control endpoint."""
        for application, port in (
            (self._gateway.application(), self.options.port),
            (self._control.application(), self.options.port + 3),
        ):
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            exits.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port).start()

    async def _start(self, session: aiohttp.ClientSession) -> None:
        secret = await asyncio.to_thread(database_secret, self.options)
        for service in self._services.values():
            await service.start()
        ready = [until_ready(name, service, self.options, session) for name, service in self._services.items()]
        await asyncio.gather(*ready)
        blueprint, deployment = await asyncio.to_thread(self._deploy, secret)
        settings = Settings(
            self.options.template.resolve().parent, self.options.logs, self.options.aws_url, self.options.environment
        )
        runtime = Runtime(deployment.functions, deployment.logical, settings)
        self._runtime = self._control.runtime = runtime
        await self._migrate(runtime, deployment)
        self._rules = blueprint.rules
        queues = Queues(self.options.aws_url, session)
        for mapping in blueprint.mappings:
            url = deployment.physical[mapping.queue]
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[-1]}"
            self._keep(Poller(mapping, url, arn, queues, runtime).run())
        for schedule in blueprint.schedules:
            self._keep(schedules.fire(schedule, runtime, self.options.minute))
        for name, service in self._services.items():
            self._keep(self._supervise(name, service))
        write_private(self.options.state / "token", self.issuer.token(*DEVELOPER))
        self._gateway.open(blueprint.api, runtime)

    def _deploy(self, secret: dict[str, Any]) -> tuple[Blueprint, Deployment]:
        chosen = parameters(self.options, self.issuer, secret)
        try:
            blueprint = read(self.options.template, chosen)
            deployment = deploy(self.options.aws_url, blueprint)
        except (TemplateError, DeploymentError) as error:
            raise StackError(f"{self.options.template.name}: {error}") from error
        return schedules.resolved(blueprint, deployment.physical), deployment

    async def _migrate(self, runtime: Runtime, deployment: Deployment) -> None:
        if "Migrate" not in deployment.functions:
            return
        outcome = await runtime.invoke("Migrate", b"{}")
        if outcome.failed:
            raise StackError(f"Migrate failed: {outcome.payload.decode(errors='replace')[:1000]}")

    async def _supervise(self, name: str, service: Service) -> None:
        """Start a part again when it dies. The local AWS keeps all it has in memory: without it the stack ends."""
        pause = 0.1
        while True:
            code = await service.ended()
            if name == "aws":
                self._failure = f"the local AWS ended with {code}: {service.last_line()}"
                self._stop.set()
                return
            log.warning("%s ended with %s; starting it again", name, code)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
            await service.start()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runtime is not None:
            await self._runtime.close()
        await asyncio.gather(*(service.stop(3.0) for service in self._services.values()))

    def _keep(self, work: Awaitable[None]) -> None:
        async def kept() -> None:
            try:
                await work
            except Exception as error:
                log.exception("a part of the stack failed")
                self._failure = f"a part of the stack failed: {error!r}"
                self._stop.set()

        self._tasks.append(asyncio.create_task(kept()))

    def _route_event(self, event: dict[str, Any]) -> None:
        if self._runtime is not None:
            schedules.route(event, self._rules, self._runtime)

    def _about(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "services": {name: service.pid for name, service in self._services.items()}}


def run(options: Options, announce: Callable[[Stack], None]) -> None:
    """Run a stack in the foreground until SIGTERM or SIGINT. Raises StackError with the reason when it can't."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # nothing here is to reach anybody's account
    os.environ.update(AWS_DEFAULT_REGION=REGION, **CREDENTIALS)
    held = lock(options.state)
    options.logs.mkdir(exist_ok=True)
    check_ports(options.port)
    form = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(filename=options.logs / "stack.log", level=logging.INFO, format=form, force=True)
    with held:
        asyncio.run(Stack(options).run(announce))
