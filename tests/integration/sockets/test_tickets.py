"""serve_tickets and authorize_socket: a ticket opens one connection, once, within a minute."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from websockets.exceptions import InvalidStatus

from longhaul.aws import dynamodb
from sockets import connections, store
from sockets.model import Holder
from tests.calling import call, sample
from tests.gateway import Api
from tests.integration.conftest import NO_TABLE
from tests.integration.sockets.conftest import IN_AN_HOUR, Items, Ticket
from tests.listening import Listener, Served


def refused(url: str) -> int:
    """The status with which a connection is refused."""
    with pytest.raises(InvalidStatus) as answer:
        Listener(url)
    return int(answer.value.response.status_code)


def test_a_ticket_opens_a_connection_once(ticket: Ticket) -> None:
    # GIVEN a ticket
    url = ticket()

    # WHEN two connect with it, one after the other
    with Listener(url) as listener:
        # THEN the first is served and the second is not
        assert listener.ask("ping") == {"type": "pong", "id": "of ping"}
        assert refused(url) == 403


def test_a_connection_whose_authorizer_is_asked_again_is_still_the_one(ticket: Ticket) -> None:
    # GIVEN a ticket that a connection came with
    event = sample("sockets", "authorize_socket")
    event["queryStringParameters"]["ticket"] = ticket().partition("ticket=")[2]
    first = call("sockets", "authorize_socket", event)

    # WHEN it is asked for the same connection again, as its answer was lost, and then for another
    again = call("sockets", "authorize_socket", event)
    other = call("sockets", "authorize_socket", event | {"requestContext": {"connectionId": "another="}})

    # THEN the connection has it, and the other has not
    assert first == again
    assert first["context"] == {"tenant_id": "acme", "user_id": "ada", "token_expires_at": int(IN_AN_HOUR)}
    assert [answer["policyDocument"]["Statement"][0]["Effect"] for answer in (first, other)] == ["Allow", "Deny"]


def test_a_tickets_answer_has_its_address_and_its_end(live: Served) -> None:
    before = time.time()
    api = Api(functions=("sockets.serve_tickets",))
    api.claims["exp"] = IN_AN_HOUR

    answer = api("POST", "/api/v1/live/tickets")

    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.body
    assert body["url"] == live.endpoint.replace("http:", "ws:") + f"?ticket={body['ticket']}"
    ends = time.strptime(body["expires_at"][:19], "%Y-%m-%dT%H:%M:%S")
    assert 55 < time.mktime(ends) - time.timezone - before < 61


def test_a_ticket_needs_the_scope_to_read_tasks(live: Served) -> None:
    assert Api(scope="tasks:write", functions=("sockets.serve_tickets",))("POST", "/api/v1/live/tickets").status == 403


def test_the_table_knows_a_ticket_by_its_hash_only(ticket: Ticket) -> None:
    given = ticket().partition("ticket=")[2]

    (item,) = boto3.client("dynamodb").scan(TableName="sockets")["Items"]
    assert given not in json.dumps(item)
    assert (item["tenant_id"]["S"], item["user_id"]["S"], item["token_expires_at"]["N"]) == ("acme", "ada", IN_AN_HOUR)
    assert 55 < int(item["expires_at"]["N"]) - time.time() < 61


def test_a_tenant_that_buys_a_ticket_is_heard_for_longer_than_a_connection_lasts(
    ticket: Ticket, sql: Callable[..., Any]
) -> None:
    ticket("acme")

    (row,) = sql(
        "SELECT tenant_id, channel, TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(6), until) AS minutes FROM notice_listeners"
    )
    assert (row["tenant_id"], row["channel"]) in {("acme", "sockets"), (b"acme", "sockets")}
    assert 125 <= row["minutes"] <= 130


def test_an_expired_ticket_that_dynamodb_has_not_deleted_yet_opens_nothing(live: Served) -> None:
    holder = Holder(tenant_id="acme", user_id="ada", token_expires_at=int(IN_AN_HOUR))
    store.put_ticket("a" * 43, holder, int(time.time()) - 1)

    assert refused(f"{live.endpoint.replace('http', 'ws')}?ticket={'a' * 43}") == 403


def test_a_ticket_of_a_token_that_has_expired_since_opens_nothing(ticket: Ticket) -> None:
    assert refused(ticket(expires_at=str(int(time.time()) - 1))) == 403


@pytest.mark.parametrize(("query", "status"), [("", 401), ("?ticket=", 401), ("?ticket=nonsense", 403)])
def test_without_a_ticket_nothing_opens(live: Served, query: str, status: int) -> None:
    assert refused(live.endpoint.replace("http", "ws") + query) == status


def test_a_used_ticket_is_refused_by_the_functions_own_policy(database: dict[str, Any]) -> None:
    event = sample("sockets", "authorize_socket")

    answer = call("sockets", "authorize_socket", event)

    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Deny", event["methodArn"])
    assert answer["context"] == {}


def test_a_tenant_has_so_many_connections(listen: Callable[..., Listener], ticket: Ticket, items: Items) -> None:
    # GIVEN room for two, and an item of one that is long gone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "MAX_CONNECTIONS", 2)
        gone = {"pk": {"S": "tenant:acme"}, "sk": {"S": "gone="}, "expires_at": {"N": "1"}}
        boto3.client("dynamodb").put_item(TableName="sockets", Item=gone)

        # WHEN two of the tenant and one of another are connected
        listen("acme"), listen("acme"), listen("other")

        # THEN the tenant's third is refused, and leaves nothing
        assert refused(ticket("acme")) == 429
        assert len([item for item in items() if item["pk"] == "tenant:acme"]) == 3


def test_without_dynamodb_no_ticket_is_sold_and_the_caller_may_try_again(
    live: Served, dynamodb_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb, "REST_SECONDS", 0)
    dynamodb_at("http://127.0.0.1:9")
    api = Api(functions=("sockets.serve_tickets",))
    api.claims["exp"] = IN_AN_HOUR

    answer = api("POST", "/api/v1/live/tickets")

    assert (answer.status, answer.body["code"], answer.body["retryable"]) == (503, "aws_unavailable", True)
    assert NO_TABLE not in str(answer.body)
