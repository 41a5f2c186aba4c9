"""post_notices: each connection that subscribes to a notice gets it, whatever becomes of the others."""

import json
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from local.gateway import connections
from local.running import eventually
from longhaul import settings
from longhaul.errors import AwsUnavailable
from longhaul.tasks.model import Status
from longhaul.tasks.notices import Addressed, Delivery, Notice, NoticeData, sequence_of
from sockets import posts, store
from sockets.model import Connection, Topic
from tests.calling import call, records, sample
from tests.integration.sockets.conftest import Items, Ticket
from tests.listening import Listener, Served

type Listen = Callable[..., Listener]

KIND = "hospital_province_refresh"


def notice(tenant_id: str = "acme", task_id: str = "a-task", event: int = 7, pad: int = 0) -> Addressed:
    data = NoticeData(
        task_id=task_id,
        kind=KIND,
        title="x" * pad,
        status=Status.RUNNING,
        attempt=1,
        progress=40,
    )
    made = Notice(
        id=sequence_of(event),
        type="longhaul.task.started",
        subject=task_id,
        time="2026-12-01T02:00:00.123Z",
        sequence=sequence_of(event),
        traceparent=None,
        data=data,
    )
    return Addressed(tenant_id=tenant_id, notice=made)


def post(*notices: Addressed) -> list[str]:
    """Post them in one message; return the messages that failed."""
    delivery = Delivery(notices=list(notices)).model_dump(mode="json")
    answer = call("sockets", "post_notices", records(delivery))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def subscribed(connection_id: str, topic: Topic, token_expires_at: float = 4e9) -> Connection:
    """A connection of acme's that subscribes to the topic, as the table has it."""
    connection = Connection(connection_id, "acme", int(token_expires_at), int(time.time()) + 600)
    store.put_connection(connection)
    assert store.add_topic(connection, topic, 10)
    return connection


def test_a_notice_reaches_who_subscribes_to_its_task_its_kind_or_all_once(listen: Listen) -> None:
    # GIVEN one that subscribes to each, one that subscribes to all three, and one to other things
    topics: list[dict[str, Any]] = [{"kind": KIND}, {"all": True}]
    some = [listen() for _ in topics]
    for listener, topic in zip(some, topics, strict=True):
        listener.ask("subscribe", **topic)
    thrice, elsewhere = listen(), listen()
    for topic in topics:
        thrice.ask("subscribe", **topic)
    elsewhere.ask("subscribe", kind="call_campaign")

    # WHEN a notice is posted
    assert post(notice()) == []

    # THEN each gets it once, as it is, and the last one does not
    for listener in (*some, thrice):
        assert listener.receive() == notice().notice.model_dump(mode="json")
        assert listener.quiet() == []
    assert elsewhere.quiet() == []


def test_a_tenant_hears_only_its_own(listen: Listen) -> None:
    ours, theirs = listen("acme"), listen("other")
    for listener in (ours, theirs):
        listener.ask("subscribe", all=True)
        listener.ask("subscribe", kind=KIND)

    assert post(notice("acme"), notice("other", "their-task")) == []

    assert [ours.receive()["subject"], *ours.quiet()] == ["a-task"]
    assert [theirs.receive()["subject"], *theirs.quiet()] == ["their-task"]


def test_tenants_and_topics_whose_names_run_together_are_apart(listen: Listen) -> None:
    listener = listen('acme", "all')
    listener.ask("subscribe", all=True)

    assert post(notice("acme", task_id='all", "')) == []

    assert listener.quiet() == []


def test_a_message_that_comes_twice_is_told_twice_with_the_same_sequence(listen: Listen) -> None:
    listener = listen()
    listener.ask("subscribe", all=True)

    post(notice(event=7)), post(notice(event=7))

    assert listener.receive()["sequence"] == listener.receive()["sequence"] == sequence_of(7)


def test_a_connection_that_is_gone_is_forgotten_with_all_its_subscriptions(live: Served, items: Items) -> None:
    gone = subscribed("gone=", Topic("all"))
    store.add_topic(gone, Topic("kind", "call_campaign"), 10)
    assert len(items()) == 4

    assert post(notice()) == []

    assert items() == []


def test_a_subscription_whose_connection_was_forgotten_is_removed(live: Served, items: Items) -> None:
    # GIVEN one that was written while its connection was being forgotten
    subscribed("gone=", Topic("all"))
    key = {"pk": {"S": "connection:gone="}, "sk": {"S": "-"}}
    boto3.client("dynamodb").delete_item(TableName="sockets", Key=key)
    assert len(items()) == 2

    assert post(notice()) == []

    assert items() == []


def test_a_subscription_that_has_expired_and_is_not_deleted_yet_is_none(live: Served, items: Items) -> None:
    old = Connection("old=", "acme", int(4e9), int(time.time()) - 1)
    assert store.add_topic(old, Topic("all"), 10)

    assert post(notice()) == []

    assert len(items()) == 2, "nobody has asked API Gateway for it"


def test_a_connection_whose_token_has_expired_is_closed_and_hears_nothing(listen: Listen, items: Items) -> None:
    soon = int(time.time()) + 2
    late, other = listen(expires_at=str(soon)), listen()
    for listener in (late, other):
        listener.ask("subscribe", all=True)
    eventually(lambda: time.time() > soon)

    assert post(notice()) == []

    assert late.ended() == 1000
    assert [frame["type"] for frame in late.frames] == ["subscribed"]
    assert other.receive()["subject"] == "a-task"
    eventually(lambda: len([item for item in items() if item["pk"].startswith("topic:")]) == 1)


def deaf(url: str) -> socket.socket:
    """A client that opens a WebSocket, subscribes to all, and reads nothing any more."""
    parts = urlsplit(url)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect((parts.hostname, parts.port))
    key = b64encode(b"0123456789abcdef").decode()
    plain.sendall(
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in plain.recv(1024)
    body = b'{"action":"subscribe","all":true}'
    plain.sendall(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
    assert b"subscribed" in plain.recv(1024)
    return plain


def test_a_socket_that_does_not_read_is_closed_and_holds_nobody_up(
    listen: Listen, ticket: Ticket, live: Served, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a client that reads and one that does not
    monkeypatch.setattr(connections, "UNSENT_BYTES", 20_000)
    reads = listen()
    reads.ask("subscribe", all=True)
    with deaf(ticket()):
        # WHEN more is posted than the system holds for a client
        number = 0
        deadline = time.monotonic() + 120
        while len(live.sockets.open) > 1:
            assert time.monotonic() < deadline
            assert post(*(notice(event=number + each, pad=20_000) for each in range(10))) == []
            number += 10

            # THEN the one that reads gets all of it
            for each in range(number - 10, number):
                assert reads.receive()["sequence"] == sequence_of(each)

        # AND the other one is closed and forgotten
        eventually(lambda: len([item for item in items() if item["pk"].startswith("topic:")]) == 1)


def test_one_connection_that_cannot_be_posted_to_is_closed_and_the_others_hear_once(
    listen: Listen, live: Served, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a connection for which API Gateway has an error of its own, and another
    monkeypatch.setattr(posts, "PAUSE", 0)
    ill, well = listen(), listen()
    ill.ask("subscribe", kind=KIND)
    (broken,) = [item["sk"] for item in items() if item["pk"].startswith("topic:")]
    well.ask("subscribe", all=True)
    send = posts._send

    def failing(method: str, connection_id: str, body: bytes) -> posts.Outcome:
        return (
            posts.Outcome.failed if (method, connection_id) == ("POST", broken) else send(method, connection_id, body)
        )

    monkeypatch.setattr(posts, "_send", failing)

    # WHEN it is posted
    assert post(notice()) == []

    # THEN the connection is ended, and the message does not come again
    assert ill.ended() == 1000
    assert [well.receive()["subject"], *well.quiet()] == ["a-task"]


def test_a_notice_is_posted_again_when_the_api_does_not_answer(
    live: Served, items: Items, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    subscribed("there=", Topic("all"))
    monkeypatch.setattr(posts, "PAUSE", 0)
    monkeypatch.setenv("SOCKETS_ENDPOINT", "http://127.0.0.1:9/live")
    settings.of.cache_clear()

    assert post(notice()) == ["m0"]

    assert "frame not posted" in warnings
    assert len(items()) == 3, "nobody knows that it is gone"


def test_without_dynamodb_the_messages_come_again(
    live: Served, dynamodb_at: Callable[[str], None], warnings: list[str]
) -> None:
    dynamodb_at("http://127.0.0.1:9")

    assert post(notice()) == ["m0"]

    assert "items not read" in warnings


def test_one_read_that_dynamodb_does_not_answer_costs_nobody_a_minute(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a DynamoDB that does not answer the first two times
    listener = listen()
    listener.ask("subscribe", all=True)
    read, refused = store.list_subscribers, iter([AwsUnavailable(), AwsUnavailable()])

    def failing(tenant_id: str, topic: Topic) -> list[Connection]:
        if topic.what == "all" and (error := next(refused, None)):
            raise error
        return read(tenant_id, topic)

    monkeypatch.setattr(store, "list_subscribers", failing)

    # WHEN a notice is posted
    assert post(notice()) == []

    # THEN it arrives at once
    assert listener.receive()["subject"] == "a-task"


def test_what_is_not_posted_in_time_comes_again(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    from sockets import delivery

    listen().ask("subscribe", all=True)
    monkeypatch.setattr(delivery, "MAX_SECONDS", -1)

    assert post(notice()) == ["m0"]


def test_the_sample_of_post_notices_is_taken(live: Served) -> None:
    event = sample("sockets", "post_notices")

    assert call("sockets", "post_notices", event) == {"batchItemFailures": []}
    assert json.loads(event["Records"][0]["body"])["notices"][0]["tenant_id"] == "local"
