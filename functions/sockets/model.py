"""What the WebSocket channel is about: who listens on a connection, and to what."""

import json
import time
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

CONNECTION_SECONDS = 2 * 3600  # API Gateway ends a connection then
KEPT_SECONDS = CONNECTION_SECONDS + 600  # what is known of a connection

type What = Literal["task_id", "kind", "all", "alerts"]


@dataclass(frozen=True)
class Topic:
    """What a connection subscribes to: a task, the tasks of a kind, all of the tenant's, or its alerts.

    `name` of the last two is empty.
    """

    what: What
    name: str = ""

    @property
    def frame(self) -> dict[str, Any]:
        """As frames name it."""
        return {self.what: self.name or True}

    @property
    def key(self) -> str:
        return json.dumps([self.what, self.name], ensure_ascii=False)

    @classmethod
    def parse(cls, key: str) -> Self:
        return cls(*json.loads(key))


class Holder(BaseModel):
    """Whose token a ticket was bought with, and until when that is valid (seconds since the epoch)."""

    model_config = ConfigDict(frozen=True)

    tenant_id: str
    user_id: str
    token_expires_at: int

    @property
    def has_expired(self) -> bool:
        return self.token_expires_at <= time.time()


@dataclass(frozen=True)
class Connection:
    """A connection of a tenant: it is forgotten at `expires_at`, and closed when its token is no longer valid."""

    connection_id: str
    tenant_id: str
    token_expires_at: int
    expires_at: int

    @property
    def has_expired(self) -> bool:
        return self.token_expires_at <= time.time()


class Context(BaseModel):
    """API Gateway's account of an event. `authorizer` is what `authorize_socket` said of the connection."""

    connection_id: str = Field(alias="connectionId")
    event_type: Literal["CONNECT", "MESSAGE", "DISCONNECT"] = Field(alias="eventType")
    connected_at: int = Field(alias="connectedAt")  # in milliseconds
    authorizer: Holder


class SocketEvent(BaseModel):
    """What API Gateway tells of a connection.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
    """

    context: Context = Field(alias="requestContext")
    body: str = ""

    @property
    def connection(self) -> Connection:
        holder = self.context.authorizer
        return Connection(
            connection_id=self.context.connection_id,
            tenant_id=holder.tenant_id,
            token_expires_at=holder.token_expires_at,
            expires_at=self.context.connected_at // 1000 + KEPT_SECONDS,
        )
