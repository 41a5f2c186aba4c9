"""The WebSocket API of the local gateway: handshakes, routes, limits, and its management API.

A recorder stands where the functions would run.
"""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from local.gateway import connections, sockets
from local.iam import credentials, policies
from local.iam.guard import POLICIES, REFUSED, USED
from local.iam.policies import Policies, Role, Statement
from local.options import ROOT
from local.running import eventually
from local.runtime.api import Outcome
from local.runtime.limits import Throttled
from local.template.model import ACCOUNT, REGION, SocketApi, SocketRoute, TemplateError
from local.template.template import read
from tests.listening import Listener, Served, served

WS = SocketRoute("Serve")
API = SocketApi(
    name="Live",
    stage="v1",
    routes={
        "$connect": WS,
        "$disconnect": WS,
        "$default": WS,
        "shout": WS,
        "rare": SocketRoute("Serve", rate=0.001, burst=1),
        "fail": SocketRoute("Fail"),
        "busy": SocketRoute("Busy"),
        "late": SocketRoute("Late", timeout=0.05),
    },
    authorizer="Authorize",
    needed=("ticket",),
)
ARN = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:Live/v1"


class Recorder:
    """Answers as functions would. `events` are what they got."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.effect, self.context, self.status = "Allow", {"tenant_id": "acme", "until": 7, "is_new": True}, 200

    async def invoke(self, name: str, payload: bytes) -> Outcome:
        event = json.loads(payload)
        self.events.append(event)
        match name:
            case "Authorize":
                statement = {"Effect": self.effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
                policy = {"Version": "2012-10-17", "Statement": [statement]}
                answer = {"principalId": "one", "policyDocument": policy, "context": self.context}
                return Outcome(json.dumps(answer).encode())
            case "Fail":
                return Outcome(b'{"errorMessage": "no"}', failed=True)
            case "Busy":
                raise Throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
            case "Late":
                await asyncio.sleep(0.5)
        return Outcome(json.dumps({"statusCode": self.status}).encode())

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type that reached the route's function."""
        contexts = [(event, event["requestContext"]) for event in self.events if "type" not in event]
        return [event for event, context in contexts if context["eventType"] == kind]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def live(recorder: Recorder, tmp_path: Path) -> Iterator[Served]:
    grants = (Statement(("execute-api:ManageConnections",), (f"{ARN}/POST/@connections/*",)),)
    roles = {"PostRole": Role("PostRole", "Post", grants)}
    policies.write(Policies(roles=roles, connections="Live/v1"), tmp_path / POLICIES)
    with served(API, tmp_path, recorder) as running:
        yield running


def address(live: Served, query: str = "?ticket=t-1") -> str:
    return live.endpoint.replace("http", "ws") + query


def management(live: Served, role: str = "") -> Any:
    """A client of the management API, with the keys of a role or a developer's."""
    keys = credentials.of_role(role) if role else {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "me"}
    session = boto3.Session(**{name.lower(): value for name, value in keys.items()}, region_name=REGION)
    config = Config(retries={"total_max_attempts": 1})
    return session.client("apigatewaymanagementapi", endpoint_url=live.endpoint, config=config)


def opened(live: Served) -> str:
    """The connection's id. A client hears that it is connected a moment before the gateway counts it as open."""
    eventually(lambda: live.sockets.open)
    (connection_id,) = live.sockets.open
    return connection_id


def refused(url: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as answer:
        Listener(url)
    response = answer.value.response
    return int(response.status_code), json.loads(response.body or b"{}")


def test_a_connection_is_authorized_announced_served_and_ended(live: Served, recorder: Recorder) -> None:
    # WHEN a client connects, says something, and leaves
    with Listener(address(live)) as listener:
        listener.send({"action": "shout", "text": "医院"})
        eventually(lambda: recorder.of("MESSAGE"))
        connection_id = opened(live)
    eventually(lambda: recorder.of("DISCONNECT"))

    # THEN the authorizer was asked as in the cloud
    asked = recorder.events[0]
    assert (asked["type"], asked["methodArn"]) == ("REQUEST", f"{ARN}/$connect")
    assert asked["queryStringParameters"] == {"ticket": "t-1"}
    assert "authorizer" not in asked["requestContext"]

    # AND each event names its route and its connection, with what the authorizer said, as texts
    (begun,), (said,), (ended,) = recorder.of("CONNECT"), recorder.of("MESSAGE"), recorder.of("DISCONNECT")
    for event, route in ((begun, "$connect"), (said, "shout"), (ended, "$disconnect")):
        context = event["requestContext"]
        assert (context["routeKey"], context["connectionId"]) == (route, connection_id)
        assert (context["stage"], context["apiId"]) == ("v1", "Live")
        assert context["authorizer"] == {"principalId": "one", "tenant_id": "acme", "until": "7", "is_new": "true"}
        assert abs(context["connectedAt"] / 1000 - time.time()) < 60
    assert begun["queryStringParameters"] == {"ticket": "t-1"}
    assert json.loads(said["body"]) == {"action": "shout", "text": "医院"}
    assert said["isBase64Encoded"] is False
    assert "queryStringParameters" not in said
    assert ended["requestContext"]["disconnectStatusCode"] == 1000


@pytest.mark.parametrize("query", ["", "?ticket=", "?other=t-1"])
def test_without_what_says_who_connects_the_authorizer_is_not_asked(
    live: Served, recorder: Recorder, query: str
) -> None:
    assert refused(address(live, query))[0] == 401
    assert recorder.events == []


def test_an_authorizer_may_refuse_a_connection(live: Served, recorder: Recorder) -> None:
    recorder.effect = "Deny"

    assert refused(address(live))[0] == 403
    assert recorder.of("CONNECT") == []


def test_an_authorizers_context_that_the_cloud_would_not_take_is_an_error(live: Served, recorder: Recorder) -> None:
    recorder.context = {"roles": ["a"]}

    assert refused(address(live))[0] == 500


def test_the_function_of_connect_may_refuse_a_connection(live: Served, recorder: Recorder) -> None:
    recorder.status = 429

    assert refused(address(live))[0] == 429
    assert live.sockets.open == {}
    assert recorder.of("DISCONNECT") == []


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ('{"action": "shout"}', "shout"),
        ('{"action": "whisper"}', "$default"),
        ('{"action": "$connect"}', "$default"),
        ('{"action": ["shout"]}', "$default"),
        ('["shout"]', "$default"),
        ("shout", "$default"),
        ("[" * 20_000, "$default"),
    ],
)
def test_a_message_takes_the_route_of_its_action(live: Served, recorder: Recorder, text: str, route: str) -> None:
    with Listener(address(live)) as listener:
        listener.send(text)
        eventually(lambda: recorder.of("MESSAGE"))

    assert recorder.of("MESSAGE")[0]["requestContext"]["routeKey"] == route


@pytest.mark.parametrize("action", ["fail", "busy", "late"])
def test_a_function_that_fails_is_told_to_the_client(live: Served, action: str) -> None:
    with Listener(address(live)) as listener:
        listener.send({"action": action})

        told = listener.receive()
        assert (told["message"], told["connectionId"]) == ("Internal server error", opened(live))


def test_a_route_takes_so_many_messages(live: Served) -> None:
    with Listener(address(live)) as listener:
        listener.send({"action": "rare"})
        listener.send({"action": "rare"})

        assert listener.receive()["message"] == "Too Many Requests"


def test_a_message_over_a_frames_limit_ends_the_connection(live: Served, recorder: Recorder) -> None:
    with Listener(address(live)) as listener:
        listener.send("x" * (sockets.FRAME_BYTES - 1))
        eventually(lambda: recorder.of("MESSAGE"))

        listener.send("x" * (sockets.FRAME_BYTES + 1))

        assert listener.ended() == 1009
    assert len(recorder.of("MESSAGE")) == 1


@pytest.mark.parametrize("limit", ["IDLE_SECONDS", "CONNECTION_SECONDS"])
def test_a_connection_that_is_silent_or_old_is_ended(
    live: Served, recorder: Recorder, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, limit, 0.2)

    with Listener(address(live)) as listener:
        assert listener.ended() == 1001
    eventually(lambda: recorder.of("DISCONNECT"))


def test_a_client_that_has_vanished_is_noticed(
    live: Served, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a client whose machine answers nothing any more, as nobody reads its socket
    monkeypatch.setattr(sockets, "HEARTBEAT_SECONDS", 0.2)
    plain = socket.create_connection((address(live).split("/")[2].split(":")[0], int(address(live).split(":")[2][:5])))
    with plain:
        plain.sendall(
            b"GET /v1?ticket=t HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

        # THEN its connection is ended all the same
        eventually(lambda: recorder.of("DISCONNECT"))
        assert live.sockets.open == {}


def test_what_is_posted_arrives_as_it_is(live: Served) -> None:
    with Listener(address(live)) as listener:
        connection_id = opened(live)
        post = management(live)

        post.post_to_connection(ConnectionId=connection_id, Data='{"text": "医院"}'.encode())

        assert listener.receive() == {"text": "医院"}
        told = post.get_connection(ConnectionId=connection_id)
        assert abs(told["ConnectedAt"].timestamp() - time.time()) < 60
        assert told["Identity"]["SourceIp"] == "127.0.0.1"
        post.delete_connection(ConnectionId=connection_id)
        assert listener.ended() == 1000


def error_of(call: Any, **parameters: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as answer:
        call(**parameters)
    response: Any = answer.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_connection_that_is_gone_or_was_never_there_is_gone(live: Served) -> None:
    post = management(live)

    assert error_of(post.post_to_connection, ConnectionId="none=", Data=b"x") == ("GoneException", 410)
    assert error_of(post.get_connection, ConnectionId="none=") == ("GoneException", 410)
    assert error_of(post.delete_connection, ConnectionId="none=") == ("GoneException", 410)


def test_a_message_has_so_many_bytes(live: Served) -> None:
    with Listener(address(live)):
        connection_id = opened(live)
        data = b"x" * (connections.MESSAGE_BYTES + 1)

        refusal = error_of(management(live).post_to_connection, ConnectionId=connection_id, Data=data)

    assert refusal == ("PayloadTooLargeException", 413)


def test_a_role_may_do_what_its_policy_allows_and_it_is_noted(live: Served, tmp_path: Path) -> None:
    with Listener(address(live)) as listener:
        connection_id = opened(live)
        post = management(live, "PostRole")

        post.post_to_connection(ConnectionId=connection_id, Data=b"{}")

        assert listener.receive() == {}
        assert f"PostRole\texecute-api:ManageConnections\t{ARN}/POST/@connections/*" in (tmp_path / USED).read_text()
        assert error_of(post.delete_connection, ConnectionId=connection_id) == ("AccessDeniedException", 403)
        assert f"{ARN}/DELETE/@connections/{connection_id}" in (tmp_path / REFUSED).read_text()
        assert error_of(management(live, "OtherRole").post_to_connection, ConnectionId=connection_id, Data=b"{}") == (
            "UnrecognizedClientException",
            403,
        )


def test_a_web_page_cannot_post_without_a_signature(live: Served) -> None:
    from local.running import send

    with Listener(address(live)):
        connection_id = opened(live)

        assert send(f"{live.endpoint}/@connections/{connection_id}", "POST", {}, {}, 10).status == 403


def test_a_plain_request_is_told_to_upgrade(live: Served) -> None:
    from local.running import send

    assert send(live.endpoint, "GET", None, {}, 10).status == 426


def test_the_projects_websocket_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)

    api = read(ROOT / "template.yaml", {"RequestsPerSecond": "7", "RequestBurst": "9"}).sockets

    assert api is not None
    assert (api.name, api.stage, api.authorizer, api.needed) == ("LiveApi", "live", "AuthorizeSocket", ("ticket",))
    assert api.routes == dict.fromkeys(
        ("$connect", "$disconnect", "$default", "subscribe", "unsubscribe", "ping"),
        SocketRoute("ServeSocket", rate=7, burst=9, timeout=29),
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("$request.body.action", "$request.body.verb", r"selects routes by \$request.body.action only"),
        (
            "querystring.ticket",
            "header.ticket",
            "takes what says who connects from the query, not route.request.header",
        ),
    ],
)
def test_what_the_local_gateway_cannot_do_stops_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "template.yaml").write_text(text.replace(old, new), encoding="utf-8")
    (tmp_path / "functions").symlink_to(ROOT / "functions")

    with pytest.raises(TemplateError, match=words):
        read(tmp_path / "template.yaml", {})
