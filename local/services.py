"""The stack's services, each in a process of its own: the database, the local AWS, the providers' stand-ins."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pymysql

from local.database import embedded_secret, external_secret
from local.iam.guard import POLICIES
from local.options import ACCESS_KEY, LLM_KEY, ROOT, Options, StackError
from local.processes import Service

START_SECONDS = 180.0
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}  # Python's threads take turns: an arena for each of them only keeps memory


def database_secret(options: Options) -> dict[str, Any]:
    """Return the database's connection secret. Raises StackError when DATABASE_URL cannot be reached."""
    if options.database_url is None:
        return embedded_secret(options.state)
    try:
        return external_secret(options.database_url)
    except (ValueError, pymysql.MySQLError) as error:
        raise StackError(f"DATABASE_URL: {error}") from error


def services_of(options: Options) -> dict[str, Service]:
    """Return the stack's services by name, not started yet."""
    environment = {
        **os.environ,
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TELEMETRY_ENABLED": "false",
    }

    def service(name: str, module: str, *arguments: str) -> Service:
        argv = [sys.executable, "-m", module, *arguments]
        own = environment if name == "database" else environment | ONE_ARENA
        return Service(name, argv, own, options.logs / f"{name}.log")

    options.iam.mkdir(exist_ok=True)
    (options.iam / POLICIES).unlink(missing_ok=True)
    options.mail.mkdir(exist_ok=True)
    folders = ("--iam", str(options.iam.resolve()), "--mail", str(options.mail.resolve()))
    aws = ("--port", str(options.port + 1), "--runtime", options.runtime_url, *folders)
    services = {
        "aws": service("aws", "local.aws", *aws),
        "providers": service("providers", "local.providers", "--port", str(options.port + 2), *_keys()),
    }
    if options.database_url is None:
        services["database"] = service("database", "local.database", str(options.state.resolve()))
        ready_file(options).unlink(missing_ok=True)
    return services


def _keys() -> list[str]:
    """Return the keys that the stand-ins accept, as arguments."""
    access = [word for name, value in ACCESS_KEY.items() for word in (f"--{name.replace('_', '-')}", value)]
    return ["--key", LLM_KEY, *access]


def ready_file(options: Options) -> Path:
    """Return the file whose presence means that the embedded database accepts connections."""
    return options.state / "database.ready"


async def until_ready(name: str, service: Service, options: Options, session: aiohttp.ClientSession) -> None:
    """Wait until a service is ready. Raises StackError when it ends (with its last line) or takes too long."""
    ended = asyncio.ensure_future(service.ended())
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _answers(name, options, session):
                if ended.done():
                    raise StackError(f"the {name} process ended with {ended.result()}: {service.last_line()}")
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise StackError(f"the {name} process was not ready in {START_SECONDS:.0f} s") from error
    finally:
        ended.cancel()


async def _answers(name: str, options: Options, session: aiohttp.ClientSession) -> bool:
    if name == "database":
        return ready_file(options).exists()
    url = f"{options.provider_url}/health" if name == "providers" else f"{options.aws_url}/moto-api/data.json"
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
            return bool(answer.status == 200)
    except (aiohttp.ClientError, TimeoutError):
        return False
