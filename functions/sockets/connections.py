"""Connections: what happens on one, from its start to its end.

Nothing is posted while a connection begins: API Gateway knows it only afterwards, and would answer that it is gone.
"""

from longhaul.errors import LonghaulError
from longhaul.observability import logger
from sockets import frames, posts, store, subscriptions
from sockets.frames import Frame, FrameError, Ping, Subscribe
from sockets.model import Connection
from sockets.posts import Outcome

MAX_CONNECTIONS = 2_000  # of a tenant: a notice to all of them is posted within two seconds by one function

OK, TOO_MANY = 200, 429


def begin(connection: Connection) -> int:
    """The HTTP status that the client gets: 429 when its tenant has too many connections. Raises AwsUnavailable."""
    if store.count_connections(connection.tenant_id) >= MAX_CONNECTIONS:
        logger.info("too many connections", extra={"tenant_id": connection.tenant_id})
        return TOO_MANY
    store.put_connection(connection)
    return OK


def end(connection: Connection) -> None:
    """Raises AwsUnavailable: what is left then goes with the first notice, or expires."""
    store.remove_connection(connection)


def answer(connection: Connection, text: str) -> None:
    """Do what the client asks for and tell it. One whose token has expired is told so, and cut off."""
    if connection.has_expired:
        expired = FrameError("token_expired", "The token has expired. Connect again with a ticket of a new one.")
        _tell(connection, [frames.error(expired)])
        posts.close(connection.connection_id)
        store.remove_connection(connection)
        return
    request_id = None
    try:
        request = frames.parse(text)
        request_id = request.id
        if isinstance(request, Ping):
            answers = [frames.pong(request)]
        elif isinstance(request, Subscribe):
            answers = subscriptions.subscribe(connection, request)
        else:
            answers = subscriptions.unsubscribe(connection, request)
    except LonghaulError as error:
        answers = [frames.error(error, request_id)]
    _tell(connection, answers)


def _tell(connection: Connection, answers: list[Frame]) -> None:
    """A client that does not take its answer connects again, and asks again."""
    outcome = posts.post(connection.connection_id, [posts.encoded(frame) for frame in answers])
    if outcome in (Outcome.slow, Outcome.failed):
        outcome = posts.close(connection.connection_id)
    if outcome != Outcome.posted:
        store.remove_connection(connection)
