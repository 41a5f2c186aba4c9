"""Tickets: a browser cannot send a header with a WebSocket, so its token buys a ticket that goes into the address.

A ticket is good for one connection within a minute. Addresses are logged; what is found there later opens nothing.
"""

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from longhaul import database, settings
from longhaul.tasks import publication
from longhaul.tasks.notices import Channel
from sockets import store
from sockets.model import KEPT_SECONDS, Holder

TICKET_SECONDS = 60
_TICKET = re.compile(r"[\w-]{43}", re.ASCII)


@dataclass(frozen=True)
class Ticket:
    """`url` is complete: a client connects to it as it is."""

    ticket: str
    url: str
    expires_at: datetime


def issue(holder: Holder) -> Ticket:
    """A new ticket. From now on the tenant is heard: longer than the connection that it is for may last.

    Raises DatabaseUnavailable, AwsUnavailable.
    """
    with database.connection() as session:
        publication.listen(session, holder.tenant_id, Channel.SOCKETS, seconds=KEPT_SECONDS)
    ticket, expires_at = secrets.token_urlsafe(32), int(time.time()) + TICKET_SECONDS
    store.put_ticket(ticket, holder, expires_at)
    address = settings.of(settings.SocketsApi).sockets_endpoint.replace("http", "ws", 1)
    return Ticket(ticket, f"{address}?ticket={ticket}", datetime.fromtimestamp(expires_at, UTC))


def redeem(ticket: str, connection_id: str) -> Holder | None:
    """Who bought it, for one connection. None for a ticket that is no good, or whose token has expired.

    Raises AwsUnavailable.
    """
    holder = store.take_ticket(ticket, connection_id) if _TICKET.fullmatch(ticket) else None
    return holder if holder is not None and not holder.has_expired else None
