"""The LLM stand-in as it is served locally, in a thread of the test's process, spoken to over HTTP."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import urllib3
from aiohttp import web

from local.providers.app import make_app
from longhaul import llm, settings

API_KEY = "a-key-of-the-tests"


@dataclass(frozen=True)
class StandIn:
    """The stand-in's address, and its controls."""

    url: str
    pool: urllib3.PoolManager

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def control(self, **controls: Any) -> None:
        answer = self.pool.request("PUT", f"{self.url}/control", json={"latency_ms": 0, **controls})
        assert answer.status == 200, answer.data

    def calls(self, ask: str = "", key: str = "") -> dict[str, Any]:
        answer = self.pool.request("GET", f"{self.url}/calls", fields={"ask": ask, "key": key})
        report: dict[str, Any] = answer.json()
        return report

    def reset(self) -> None:
        self.control()
        self.pool.request("DELETE", f"{self.url}/calls")


@pytest.fixture(scope="session")
def served() -> Iterator[StandIn]:
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(make_app(API_KEY), handler_cancellation=True, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    port = runner.addresses[0][1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    pool = urllib3.PoolManager()
    yield StandIn(f"http://127.0.0.1:{port}", pool)
    pool.clear()
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def stand_in(served: StandIn) -> StandIn:
    """The stand-in without faults and without memory of earlier calls."""
    served.reset()
    return served


@pytest.fixture
def model(database: dict[str, Any], stand_in: StandIn) -> Iterator[StandIn]:
    """The functions' environment with the stand-in as its model."""
    name = f"llm-{os.urandom(4).hex()}"  # the model's too: a circuit remembers failures under its name
    secret = boto3.client("secretsmanager").create_secret(Name=name, SecretString=API_KEY)
    os.environ.update(
        LLM_BASE_URL=stand_in.base_url,
        LLM_MODEL=name,
        LLM_SECRET_ARN=secret["ARN"],
        LLM_TIMEOUT_SECONDS="5",
        MAX_DISTRICTS_IN_FLIGHT="3",
        HOSPITALS_BATCH_SIZE="10",
    )
    settings.of.cache_clear()
    llm._client.cache_clear()
    yield stand_in
    llm._client.cache_clear()


def question(**asked: Any) -> str:
    """A prompt with nothing but its machine-readable line."""
    return json.dumps(asked)
