"""The supervisor: starts all parts in order, keeps them running, and stops them."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from local.aws import eventbridge
from local.aws.event_sources import Poller, Queues
from local.deploying import Deployed, Order, deployer
from local.gateway.console import Console
from local.gateway.gateway import Gateway
from local.gateway.tokens import Issuer
from local.iam.guard import Guard
from local.machine import check_network, check_ports, lock, remember_port, write_private
from local.options import Options, StackError
from local.processes import Service
from local.runtime.pool import Settings
from local.runtime.runtime import Control, Runtime
from local.services import database_secret, services_of, until_ready
from local.template.model import ACCOUNT, CREDENTIALS, REGION, Deployment, EventRule

DEVELOPER = ("local", "developer")  # tenant and user of the token in the state folder

log = logging.getLogger(__name__)


class Stack:
    """One stack. `run` returns when it was stopped."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.issuer = Issuer(options.state, options.port)
        self._gateway = Gateway(self.issuer, Guard(options.iam), Console(self.issuer, options.port))
        self._rules: tuple[EventRule, ...] = ()
        self._control = Control(self._route_event, self._about)
        self._services = services_of(options)
        self._runtime: Runtime | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._failure: str | None = None

    async def run(self, announce: Callable[["Stack"], None]) -> None:
        """Start, call `announce` when all is ready, wait for SIGTERM or SIGINT, stop.

        Raises StackError when it could not start, or when a part that it needs has died.
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
        """Serve the gateway, which is not ready yet, and the control endpoint."""
        runners: tuple[tuple[web.BaseRunner, int], ...] = (
            (web.ServerRunner(self._gateway.server(), shutdown_timeout=0.5), self.options.port),
            (
                web.AppRunner(self._control.application(), access_log=None, shutdown_timeout=0.5),
                self.options.port + 3,
            ),
        )
        for runner, port in runners:
            await runner.setup()
            exits.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port).start()

    async def _start(self, session: aiohttp.ClientSession) -> None:
        blueprint, deployment = await self._deploy(session)
        settings = Settings(
            self.options.template.resolve().parent,
            self.options.logs,
            self.options.aws_url,
            self.options.environment,
            account=self.options.concurrency,
        )
        runtime = Runtime(deployment.functions, deployment.logical, settings)
        self._runtime = self._control.runtime = runtime
        await self._migrate(runtime, deployment)
        await self._recover(runtime, deployment)
        self._rules = blueprint.rules
        for mapping in blueprint.mappings:
            role = deployment.functions[mapping.function].role
            queues = Queues(self.options.aws_url, session, role)
            url = deployment.physical[mapping.queue]
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[-1]}"
            self._keep(Poller(mapping, url, arn, queues, runtime).run())
        for schedule in blueprint.schedules:
            self._keep(eventbridge.fire(schedule, runtime, self.options.minute))
        for name, service in self._services.items():
            self._keep(self._supervise(name, service))
        write_private(self.options.state / "token", self.issuer.token(*DEVELOPER))
        self._gateway.open(blueprint.api, runtime, blueprint.sockets)

    async def _deploy(self, session: aiohttp.ClientSession) -> Deployed:
        """Start the services, and deploy the template to the local AWS."""
        secret = await asyncio.to_thread(database_secret, self.options)
        async with deployer(self.options) as deploy:
            for service in self._services.values():
                await service.start()
            ready = [until_ready(name, service, self.options, session) for name, service in self._services.items()]
            await asyncio.gather(*ready)
            return await deploy(Order(self.options, self.issuer.url, secret))

    async def _migrate(self, runtime: Runtime, deployment: Deployment) -> None:
        if "Migrate" not in deployment.functions:
            return
        outcome = await runtime.invoke("Migrate", b"{}")
        if outcome.failed:
            raise StackError(f"Migrate failed: {outcome.payload.decode(errors='replace')[:1000]}")
        runtime.pools["Migrate"].retire_idle(0)  # nothing calls it again

    async def _recover(self, runtime: Runtime, deployment: Deployment) -> None:
        """Restart the tasks that are RUNNING in the database: their executions and messages ended with the last stack.

        This happens before anything can start a task, so that it finds only those.
        """
        if "RecoverTasks" not in deployment.functions:
            return
        outcome = await runtime.invoke("RecoverTasks", b'{"restarted": true}')
        if outcome.failed:
            log.warning("RecoverTasks failed, it runs again in a minute: %s", outcome.payload.decode(errors="replace"))

    async def _supervise(self, name: str, service: Service) -> None:
        """Restart a service when it ends. The local AWS has its state in memory: when it ends, the stack does."""
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
        await self._gateway.close()
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
            eventbridge.route(event, self._rules, self._runtime)

    def _about(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "state": str(self.options.state.resolve()),
            "services": {name: service.pid for name, service in self._services.items()},
        }


def run(options: Options, announce: Callable[[Stack], None]) -> None:
    """Run a stack in the foreground until SIGTERM or SIGINT. Raises StackError with the reason when it cannot."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # nothing here may reach a real account
    os.environ.update(AWS_DEFAULT_REGION=REGION, **CREDENTIALS)
    held = lock(options.state)
    options.logs.mkdir(exist_ok=True)
    check_network(embedded=options.database_url is None)
    check_ports(options.port)
    remember_port(options)
    form = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(filename=options.logs / "stack.log", level=logging.INFO, format=form, force=True)
    with held:
        asyncio.run(Stack(options).run(announce), loop_factory=uvloop.new_event_loop)
