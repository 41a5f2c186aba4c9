"""A tenant's webhooks, their receiver, and time that passes for rows."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chatting import StandIn
from tests.gateway import Api
from tests.receiving import Receiver

type Sql = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def receiver(served: StandIn) -> Iterator[Receiver]:
    receiver = Receiver(served.url)
    receiver.reset()
    yield receiver
    receiver.reset()


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api(scope="notices:read notices:write", functions=("webhooks.serve_webhooks",))


@pytest.fixture
def other(database: dict[str, Any]) -> Api:
    """Another tenant."""
    return Api("umbrella", scope="notices:read notices:write", functions=("webhooks.serve_webhooks",))


@pytest.fixture
def pass_time(sql: Sql) -> Callable[[float], None]:
    """pass_time(seconds): all that rows say of webhooks and deliveries lies so much further back."""

    def pass_seconds(seconds: float) -> None:
        for table, columns in (
            ("webhooks", ("next_attempt_at", "failing_since", "former_until", "created_at", "updated_at")),
            ("webhook_tenants", ("former_until",)),
            (
                "webhook_deliveries",
                ("next_attempt_at", "leased_until", "attempted_at", "delivered_at", "created_at"),
            ),
        ):
            moved = ", ".join(f"{column} = TIMESTAMPADD(SECOND, -{seconds:g}, {column})" for column in columns)
            sql(f"UPDATE {table} SET {moved}")

    return pass_seconds
