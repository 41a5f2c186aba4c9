"""The OutboundBot stand-in, served in a thread of the test's process, and a bucket for recordings."""

import asyncio
import json
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import urllib3
from aiohttp import web
from darabonba.core import DaraCore

from calls.provider import provider
from local.providers.app import make_app
from longhaul import aws, llm, settings

KEYS = {"access_key_id": "an-id-of-the-tests", "access_key_secret": "a-secret-of-the-tests"}
BUCKET = "recordings"


def pytest_itemcollected(item: pytest.Item) -> None:
    """The SDK dates its requests so, and takes the warning for an answer that did not come."""
    item.add_marker(pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"))


@dataclass(frozen=True)
class StandIn:
    """The stand-in's address, and its controls."""

    url: str
    pool: urllib3.PoolManager

    @property
    def endpoint(self) -> str:
        return self.url.removeprefix("http://")

    def control(self, **outbound: Any) -> None:
        answer = self.pool.request("PUT", f"{self.url}/control", json={"outbound": {"latency_ms": 0, **outbound}})
        assert answer.status == 200, answer.data

    def calls(self, ask: str = "", key: str = "") -> dict[str, Any]:
        """What the provider was asked: {count, by_key, by_outcome, calls}."""
        answer = self.pool.request("GET", f"{self.url}/calls", fields={"ask": ask, "key": key})
        report: dict[str, Any] = answer.json()
        return report

    def dialled(self) -> dict[str, int]:
        """How often each person was called, or will be."""
        counts: dict[str, int] = self.pool.request("GET", f"{self.url}/calls/dialled").json()
        return counts

    def reset(self) -> None:
        self.control()
        self.pool.request("DELETE", f"{self.url}/calls")


@pytest.fixture(scope="session")
def served() -> Iterator[StandIn]:
    loop = asyncio.new_event_loop()
    app = make_app(**KEYS)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    port = runner.addresses[0][1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    pool = urllib3.PoolManager()
    yield StandIn(f"http://127.0.0.1:{port}", pool)
    pool.clear()
    for session in DaraCore._sessions.values():  # the SDK keeps them as long as the process lives
        session.close()
    DaraCore._sessions.clear()
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def stand_in(environment: dict[str, Any], served: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The provider of the functions' environment: an instance of the test's own, without faults or memory."""
    served.reset()
    instance = f"instance-{secrets.token_hex(4)}"  # a circuit remembers failures under its name
    secret = boto3.client("secretsmanager").create_secret(Name=instance, SecretString=json.dumps(KEYS))
    monkeypatch.setenv("OUTBOUND_ENDPOINT", served.endpoint)
    monkeypatch.setenv("OUTBOUND_PROTOCOL", "http")
    monkeypatch.setenv("OUTBOUND_INSTANCE_ID", instance)
    monkeypatch.setenv("OUTBOUND_SECRET_ARN", secret["ARN"])
    settings.of.cache_clear()
    provider.cache_clear()
    yield served
    settings.of.cache_clear()
    provider.cache_clear()


@pytest.fixture
def bucket(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, and no host from which recordings may come."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    monkeypatch.setenv("RECORDINGS_BUCKET", BUCKET)
    monkeypatch.setenv("RECORDING_HOSTS", "nobody.example")
    settings.of.cache_clear()
    yield BUCKET
    for thing in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=thing["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    settings.of.cache_clear()


def secret_of_the_provider(**values: str) -> None:
    """Rotate what the provider's secret holds."""
    aws.client("secretsmanager").put_secret_value(
        SecretId=os.environ["OUTBOUND_SECRET_ARN"], SecretString=json.dumps(KEYS | values)
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider may be asked again at once, and a lost batch be handed over again at once."""
    monkeypatch.setenv("CALL_SYNC_SECONDS", "0.1")
    monkeypatch.setenv("CALL_LEASE_SECONDS", "0.1")


@pytest.fixture
def outbound(quick: None, database: dict[str, Any], bucket: str, stand_in: StandIn) -> StandIn:
    """The provider, which makes its calls in no time, with an empty database and a bucket that takes its recordings."""
    os.environ["RECORDING_HOSTS"] = stand_in.endpoint  # `bucket` puts back what was there
    settings.of.cache_clear()
    stand_in.control(call_seconds=0.01, call_lines=10_000)
    return stand_in


@pytest.fixture
def model(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The same process as the language model that judges conversations."""
    name = f"llm-{secrets.token_hex(4)}"
    secret = boto3.client("secretsmanager").create_secret(Name=name, SecretString="any")
    monkeypatch.setenv("LLM_BASE_URL", f"{stand_in.url}/v1")
    monkeypatch.setenv("LLM_MODEL", name)
    monkeypatch.setenv("LLM_SECRET_ARN", secret["ARN"])
    monkeypatch.setenv("LLM_TIMEOUT_SECONDS", "5")
    settings.of.cache_clear()
    llm._client.cache_clear()
    llm._circuit.cache_clear()
    return stand_in
