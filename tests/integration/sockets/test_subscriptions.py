"""serve_socket: what a client subscribes to, what it is sent at once, and what is refused."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from local.running import eventually
from longhaul.database import connections as database_connections
from longhaul.errors import DatabaseUnavailable
from longhaul.tasks import lifecycle, publication
from longhaul.tasks.model import Task
from sockets import subscriptions
from tests.calling import call, sample
from tests.integration.sockets.conftest import Items
from tests.listening import Listener

type Listen = Callable[..., Listener]
type Running = Callable[..., Task]


def topics(items: list[dict[str, Any]]) -> list[str]:
    return sorted(item["pk"] for item in items if item["pk"].startswith("topic:"))


def test_a_task_is_told_as_it_is_when_its_subscription_begins(listen: Listen, running_task: Running) -> None:
    # GIVEN a running task
    task = running_task()

    # WHEN a client subscribes to it
    listener = listen()
    begun = listener.ask("subscribe", task_id=task.task_id)

    # THEN it is told the state, behind the newest event
    state = listener.receive()
    assert begun == {"type": "subscribed", "task_id": task.task_id, "sequence": state["sequence"], "id": "of subscribe"}
    assert (state["type"], state["subject"], state["data"]["status"]) == (
        "longhaul.task.state",
        task.task_id,
        "RUNNING",
    )
    assert state["specversion"] == "1.0"


@pytest.mark.parametrize("whose", ["nobody", "other"])
def test_a_task_that_is_not_the_tenants_is_not_found(
    listen: Listen, running_task: Running, items: Items, whose: str
) -> None:
    task_id = running_task(tenant_id="other").task_id if whose == "other" else "no_such_task"

    refused = listen("acme").ask("subscribe", task_id=task_id)

    assert (refused["type"], refused["code"], refused["id"]) == ("error", "not_found", "of subscribe")
    assert topics(items()) == []


def test_who_comes_back_gets_what_was_missed_and_nothing_twice(listen: Listen, running_task: Running) -> None:
    # GIVEN a client that has seen a task start, and is gone when it is cancelled
    task = running_task()
    listener = listen()
    listener.ask("subscribe", task_id=task.task_id)
    seen = listener.receive()["sequence"]
    listener.close()
    lifecycle.cancel(task.task_id, "acme")

    # WHEN it comes back with the sequence that it saw
    again = listen()
    begun = again.ask("subscribe", task_id=task.task_id, last_sequence=seen)

    # THEN it is told what it missed, and no state
    assert again.receive()["type"] == "longhaul.task.cancelled"
    assert begun["sequence"] > seen
    assert again.quiet() == []


@pytest.mark.parametrize("topic", [{"all": True}, {"kind": "hospital_province_refresh"}])
def test_the_notices_of_many_tasks_are_missed_and_told(
    listen: Listen, running_task: Running, topic: dict[str, Any]
) -> None:
    first, theirs = running_task(), running_task(tenant_id="other")
    listener = listen()

    begun = listener.ask("subscribe", **topic, last_sequence="0000000000000000.00000000")

    assert begun["sequence"] > "0000000000000000.00000000"
    told = [listener.receive(), *listener.quiet()]
    assert {notice["subject"] for notice in told} == {first.task_id}
    assert theirs.task_id not in json.dumps(told)


def test_who_is_too_far_behind_is_told_to_read_anew(
    listen: Listen, running_task: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = running_task()
    monkeypatch.setattr(publication, "MAX_REPLAYED", 0)
    listener = listen()

    begun = listener.ask("subscribe", task_id=task.task_id, last_sequence="0000000000000000.00000000")

    assert begun["type"] == "subscribed"
    assert listener.receive() == {"type": "reset", "task_id": task.task_id}


def test_a_kind_that_there_is_not_is_refused(listen: Listen, items: Items) -> None:
    refused = listen().ask("subscribe", kind="hospitals_refresh")

    assert refused["code"] == "unknown_kind"
    assert "hospital_province_refresh" in refused["message"]
    assert topics(items()) == []


def test_a_connection_has_so_many_subscriptions(
    listen: Listen, running_task: Running, monkeypatch: pytest.MonkeyPatch, items: Items
) -> None:
    # GIVEN room for two, and two that are taken
    monkeypatch.setattr(subscriptions, "MAX_SUBSCRIPTIONS", 2)
    task = running_task()
    listener = listen()
    listener.ask("subscribe", all=True)
    listener.ask("subscribe", kind="call_campaign")

    # WHEN a third is asked for, and one of the two once more
    refused = listener.ask("subscribe", task_id=task.task_id)
    again = listener.ask("subscribe", all=True)

    # THEN the third is refused until there is room
    assert (refused["type"], refused["code"]) == ("error", "too_many_subscriptions")
    assert again["type"] == "subscribed"
    assert len(topics(items())) == 2
    assert listener.ask("unsubscribe", kind="call_campaign")["type"] == "unsubscribed"
    assert listener.ask("subscribe", task_id=task.task_id)["type"] == "subscribed"


def test_unsubscribing_what_was_not_subscribed_changes_nothing(listen: Listen, items: Items) -> None:
    done = listen().ask("unsubscribe", task_id="any")

    assert done == {"type": "unsubscribed", "task_id": "any", "id": "of unsubscribe"}
    assert topics(items()) == []


def test_a_connection_that_ends_leaves_nothing(listen: Listen, items: Items) -> None:
    listener = listen()
    listener.ask("subscribe", all=True)
    listener.ask("subscribe", kind="call_campaign")
    assert len(items()) == 4

    listener.close()

    eventually(lambda: items() == [])


def test_what_is_kept_of_a_connection_expires_ten_minutes_after_its_longest_life(listen: Listen, items: Items) -> None:
    listen().ask("subscribe", all=True)

    for item in items():
        assert 7740 < int(item["expires_at"]) - time.time() < 7801


def test_a_message_after_the_tokens_end_ends_the_connection(listen: Listen, items: Items) -> None:
    # GIVEN a connection whose token expires in a moment
    soon = int(time.time()) + 2
    listener = listen(expires_at=str(soon))
    eventually(lambda: time.time() > soon)

    # WHEN its client asks for something
    listener.send({"action": "ping"})

    # THEN it is told why, and cut off
    assert listener.receive()["code"] == "token_expired"
    assert listener.ended() == 1000
    eventually(lambda: items() == [])


def test_while_the_database_is_away_a_client_is_told_to_try_again(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseUnavailable("no route to 10.0.0.7")

    listener = listen()
    monkeypatch.setattr(database_connections, "open_connection", away)

    refused = listener.ask("subscribe", all=True)

    assert (refused["type"], refused["code"]) == ("error", "unavailable")
    assert "10.0.0.7" not in refused["message"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no JSON", "malformed"),
        ("[1]", "malformed"),
        ('{"action": "shout"}', "unknown_action"),
        ('{"action": "$connect"}', "unknown_action"),
        ('{"action": "subscribe"}', "invalid"),
    ],
)
def test_what_is_no_request_is_answered_with_what_is_wrong(listen: Listen, text: str, code: str) -> None:
    listener = listen()

    listener.send(text)

    assert listener.receive()["code"] == code


def test_the_sample_of_serve_socket_of_a_connection_that_is_gone_leaves_nothing(
    live: Any, items: Items, running_task: Running
) -> None:
    assert call("sockets", "serve_socket", sample("sockets", "serve_socket")) == {"statusCode": 200}

    assert items() == []
