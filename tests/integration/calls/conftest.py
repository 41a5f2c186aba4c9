"""The OutboundBot stand-in, served in a thread of the test's process, and a bucket for recordings."""

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from darabonba.core import DaraCore

from calls.provider import provider
from longhaul import aws, llm, settings
from tests import serving

KEYS = {"access_key_id": "an-id-of-the-tests", "access_key_secret": "a-secret-of-the-tests"}
BUCKET = "recordings"


def pytest_itemcollected(item: pytest.Item) -> None:
    """The SDK dates its requests so, and takes the warning for an answer that did not come."""
    item.add_marker(pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"))


class StandIn(serving.StandIn):
    """OutboundBot, which answers at once unless it is told to be slow; its controls are its own."""

    @property
    def endpoint(self) -> str:
        return self.url.removeprefix("http://")

    def control(self, **outbound: Any) -> None:
        super().control(outbound={"latency_ms": 0, **outbound})

    def control_model(self, **controls: Any) -> None:
        """What goes wrong with the language model in the same process."""
        super().control(**{"latency_ms": 0, **controls})

    def dialled(self) -> dict[str, int]:
        """How often each person was called, or will be."""
        counts: dict[str, int] = self.pool.request("GET", f"{self.url}/calls/dialled").json()
        return counts


@pytest.fixture(scope="session")
def served() -> Iterator[StandIn]:
    with serving.served(StandIn, **KEYS) as stand_in:
        yield stand_in
    for session in DaraCore._sessions.values():  # the SDK keeps them as long as the process lives
        session.close()
    DaraCore._sessions.clear()


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
    """The same process as the language model that analyses conversations."""
    name = f"llm-{secrets.token_hex(4)}"
    secret = boto3.client("secretsmanager").create_secret(Name=name, SecretString="any")
    monkeypatch.setenv("LLM_BASE_URL", f"{stand_in.url}/v1")
    monkeypatch.setenv("LLM_MODEL", name)
    monkeypatch.setenv("LLM_SECRET_ARN", secret["ARN"])
    monkeypatch.setenv("LLM_TIMEOUT_SECONDS", "5")
    monkeypatch.setenv("LLM_RESPONSE_FORMAT", "auto")
    settings.of.cache_clear()
    llm._client.cache_clear()
    return stand_in
