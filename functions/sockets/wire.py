"""A ticket on the wire, and whose it is."""

from typing import Any

from pydantic import BaseModel, Field

from longhaul.http import Api, Timestamp, caller
from sockets.model import Holder
from sockets.tickets import Ticket


class TicketDocument(BaseModel):
    """What opens a WebSocket, once, within a minute."""

    ticket: str = Field(examples=["kq3V0pS1m5y7XbJt2cWlNfD8hGzR4uAeOiLxPyQ6vTs"])
    url: str = Field(
        description="Connect to this: the ticket is in it.",
        examples=["wss://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/live?ticket=kq3V0pS1m5y7XbJt2cWlNfD8hGzR4u"],
    )
    expires_at: Timestamp

    @classmethod
    def of(cls, ticket: Ticket) -> "TicketDocument":
        return cls(ticket=ticket.ticket, url=ticket.url, expires_at=ticket.expires_at)


def holder_of(app: Api) -> Holder:
    """The caller, and until when its token is valid, as the gateway's authorizer says."""
    who = caller(app)
    claims: dict[str, Any] = app.current_event.request_context.authorizer.jwt_claim
    return Holder(tenant_id=who.tenant_id, user_id=who.user_id, token_expires_at=int(float(claims["exp"])))
