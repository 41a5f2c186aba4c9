"""The WebSocket API as it is served locally, its functions in this process, on moto's DynamoDB and a real database."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.iam.grants import blueprint_of
from local.options import ROOT
from local.template.model import SocketApi
from longhaul import settings
from tests.gateway import Api
from tests.listening import Listener, Served, served

type Ticket = Callable[..., str]
type Items = Callable[[], list[dict[str, Any]]]

IN_AN_HOUR = "4102444800"  # a token's end that is far away


@pytest.fixture(scope="session")
def api() -> SocketApi:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        sockets = blueprint_of(ROOT / "template.yaml").sockets
    assert sockets is not None
    return sockets


@pytest.fixture
def live(database: dict[str, Any], api: SocketApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with served(api, tmp_path) as running:
        monkeypatch.setenv("SOCKETS_ENDPOINT", running.endpoint)
        settings.of.cache_clear()
        yield running
    settings.of.cache_clear()


@pytest.fixture
def ticket(live: Served) -> Ticket:
    """Buys a ticket; returns its address."""

    def buy(tenant_id: str = "acme", expires_at: str = IN_AN_HOUR) -> str:
        api = Api(tenant_id, "tasks:read", ("sockets.serve_tickets",))
        api.claims["exp"] = expires_at
        answer = api("POST", "/api/v1/live/tickets")
        assert answer.status == 201, answer
        return str(answer.body["url"])

    return buy


@pytest.fixture
def listen(ticket: Ticket) -> Iterator[Callable[..., Listener]]:
    """Opens connections, and closes them in the end."""
    opened: list[Listener] = []

    def connect(tenant_id: str = "acme", **more: Any) -> Listener:
        opened.append(Listener(ticket(tenant_id, **more)))
        return opened[-1]

    yield connect
    for listener in opened:
        listener.close()


@pytest.fixture
def items(database: dict[str, Any]) -> Items:
    """What is in the table of connections and subscriptions, with its values plain."""

    def read() -> list[dict[str, Any]]:
        found = boto3.client("dynamodb").scan(TableName="sockets")["Items"]
        plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in found]
        return [item for item in plain if not item["pk"].startswith("ticket:")]

    return read
