"""Subscriptions: what a connection hears of from now on, and what it has missed."""

from longhaul.errors import NotFound
from longhaul.tasks import publication
from longhaul.tasks.kinds import kind_named
from sockets import frames, store
from sockets.frames import Frame, FrameError, Subscribe, Unsubscribe
from sockets.model import Connection, Topic

MAX_SUBSCRIPTIONS = 100  # of a connection; who watches more tasks than a screen shows subscribes to all of them


def subscribe(connection: Connection, request: Subscribe) -> list[Frame]:
    """Subscribe first, then read: what happens between comes twice, and nothing is missed.

    Raises FrameError, NotFound, UnknownKind, DatabaseUnavailable, AwsUnavailable.
    """
    topic = request.topic
    if topic.what == "kind":
        kind_named(topic.name)
    if not store.add_topic(connection, topic, MAX_SUBSCRIPTIONS):
        message = f"A connection has at most {MAX_SUBSCRIPTIONS} subscriptions. Subscribe to a kind, or to all."
        raise FrameError("too_many_subscriptions", message)
    if topic.what == "task_id":
        return _of_task(connection, request)
    sequence = publication.newest_sequence()
    return [frames.subscribed(request, sequence), *_missed(connection, request)]


def unsubscribe(connection: Connection, request: Unsubscribe) -> list[Frame]:
    """Raises AwsUnavailable."""
    store.remove_topic(connection, request.topic)
    return [frames.unsubscribed(request)]


def _of_task(connection: Connection, request: Subscribe) -> list[Frame]:
    """The task as it is, or what was missed of it."""
    topic = request.topic
    now = publication.state(connection.tenant_id, topic.name)
    if now is None:
        store.remove_topic(connection, topic)
        raise NotFound(f"There is no task {topic.name}.")
    begun = frames.subscribed(request, now.sequence)
    return [begun, *(_missed(connection, request) if request.last_sequence else [now.model_dump(mode="json")])]


def _missed(connection: Connection, request: Subscribe) -> list[Frame]:
    if request.last_sequence is None:
        return []
    topic = request.topic
    if topic.what == "alerts":
        return [frames.reset(topic)]  # those that are open are few: they are read over HTTP
    notices = publication.since(connection.tenant_id, request.last_sequence, **_filter(topic))
    if notices is None:
        return [frames.reset(topic)]
    return [notice.model_dump(mode="json") for notice in notices]


def _filter(topic: Topic) -> dict[str, str]:
    return {} if topic.what == "all" else {topic.what: topic.name}
