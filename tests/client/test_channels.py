"""`longhaul webhooks`, `recipients` and `listen`: what they ask, print, post and return."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from standardwebhooks import Webhook as Verifier

from longhaul_client import live
from longhaul_client.command import longhaul
from longhaul_client.forwarding import new_secret
from tests.client.scripted import Document, Reply, Request, Scripted, problem, scripted, task
from tests.client.sockets import Sockets, notice

type Run = Callable[..., Result]

HOOK = {
    "webhook_id": "wh_1",
    "url": "https://hooks.example/a",
    "title": "一",
    "events": ["longhaul.task.failed"],
    "kinds": None,
    "paused": False,
    "disabled": False,
    "created_at": "2026-11-25T01:02:03.456Z",
}
DELIVERY = {
    "delivery_id": "msg_1",
    "webhook_id": "wh_1",
    "event": "longhaul.task.failed",
    "task_id": "t-1",
    "status": "FAILED",
    "tries": 10,
    "status_code": 500,
    "error": "[red]no markup",
    "latency_ms": 7,
    "created_at": "2026-11-25T01:02:03.456Z",
}
RECIPIENT = {"recipient_id": "recipient_1", "address": "ada@example.com", "language": "zh", "status": "pending"}


@pytest.fixture
def run(server: Scripted) -> Run:
    def invoke(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(longhaul, arguments, given, catch_exceptions=False)

    return invoke


@pytest.fixture
def sockets(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.01)
    return Sockets(server)


@pytest.fixture(scope="module")
def listening() -> Iterator[Scripted]:
    with scripted() as server:
        yield server


@pytest.fixture
def receiver(listening: Scripted) -> Scripted:
    listening.will(Reply(204, ""))
    return listening


def test_webhooks_are_listed_page_by_page(run: Run, server: Scripted) -> None:
    other = {**HOOK, "webhook_id": "wh_2", "paused": True}
    pages = Reply(200, {"items": [HOOK], "next_cursor": "c"}), Reply(200, {"items": [other], "next_cursor": None})
    server.will(*pages)
    header, first, second = run("webhooks", "list").stdout.splitlines()
    assert header.split() == ["webhook", "id", "url", "title", "events", "kinds", "paused", "disabled"]
    assert first.split() == ["wh_1", "https://hooks.example/a", "一", "longhaul.task.failed", "no", "no"]
    assert second.split()[-2:] == ["yes", "no"]
    server.will(*pages)
    assert [json.loads(line) for line in run("webhooks", "list", "--json").stdout.splitlines()] == [HOOK, other]
    server.will(Reply(200, {"items": [], "next_cursor": None}))
    assert run("webhooks", "list").stderr == "longhaul: no webhooks\n"


SECRET = {"secret": "whsec_x"}


@pytest.mark.parametrize(
    ("arguments", "reply", "sent"),
    [
        (
            ["add", "https://h", "--event", "FAILED", "--event", "expired", "--kind", "k", "--title", "t"],
            Reply(201, HOOK | SECRET),
            (
                "POST",
                "",
                {
                    "url": "https://h",
                    "events": ["longhaul.task.failed", "longhaul.task.expired"],
                    "kinds": ["k"],
                    "title": "t",
                },
            ),
        ),
        (["add", "https://h"], Reply(201, HOOK | SECRET), ("POST", "", {"url": "https://h"})),
        (["show", "wh_1"], Reply(200, HOOK), ("GET", "/wh_1", None)),
        (
            ["change", "wh_1", "--to", "https://n", "--all-events", "--kind", "k", "--enable"],
            Reply(200, HOOK),
            ("PATCH", "/wh_1", {"url": "https://n", "events": None, "kinds": ["k"], "disabled": False}),
        ),
        (["change", "wh_1", "--all-kinds"], Reply(200, HOOK), ("PATCH", "/wh_1", {"kinds": None})),
        (["pause", "wh_1"], Reply(200, HOOK), ("PATCH", "/wh_1", {"paused": True})),
        (["resume", "wh_1"], Reply(200, HOOK), ("PATCH", "/wh_1", {"paused": False})),
        (["rotate", "wh_1"], Reply(200, HOOK | SECRET), ("POST", "/wh_1/rotate", None)),
        (["test", "wh_1"], Reply(202, DELIVERY), ("POST", "/wh_1/test", None)),
        (["replay", "wh_1", "msg_1"], Reply(202, DELIVERY), ("POST", "/wh_1/deliveries/msg_1/replay", None)),
        (["secret"], Reply(200, SECRET), ("GET", "/secret", None)),
        (["secret", "--rotate"], Reply(200, SECRET), ("POST", "/secret/rotate", None)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_asked_of_webhooks(
    run: Run, server: Scripted, arguments: list[str], reply: Reply, sent: tuple[str, str, Any]
) -> None:
    server.will(reply)
    result = run("webhooks", *arguments)
    (request,) = server.requests
    assert result.exit_code == 0
    assert (request.method, request.path, request.body) == (sent[0], f"/api/v1/webhooks{sent[1]}", sent[2])
    assert ("idempotency-key" in request.headers) == (request.method != "GET")
    assert isinstance(reply.body, dict)
    assert all(str(reply.body[name]) in result.stdout for name in ("url", "secret", "status") if name in reply.body)
    assert json.loads(run("webhooks", *arguments, "--json").stdout) == reply.body


def test_deliveries(run: Run, server: Scripted) -> None:
    pages = [
        Reply(200, {"items": [{**DELIVERY, "delivery_id": f"msg_{at}"} for at in range(2)], "next_cursor": "c"}),
        Reply(200, {"items": [{**DELIVERY, "delivery_id": f"msg_{at}"} for at in range(2, 4)], "next_cursor": "d"}),
    ]
    server.will(*pages)
    result = run("webhooks", "deliveries", "wh_1", "--status", "failed", "--limit", "3")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["delivery", "msg_0", "msg_1", "msg_2"]
    assert "[red]no markup" in result.stdout
    assert server.requests[1].query == {"status": "FAILED", "limit": "3", "cursor": "c"}
    server.will(*pages)
    lines = run("webhooks", "deliveries", "wh_1", "--limit", "4", "--json").stdout.splitlines()
    assert [json.loads(line)["delivery_id"] for line in lines] == [f"msg_{at}" for at in range(4)]
    server.will(Reply(200, {"items": [], "next_cursor": None}))
    assert run("webhooks", "deliveries", "wh_1").stderr == "longhaul: no deliveries\n"


def test_all_since_a_time_are_replayed_round_by_round(run: Run, server: Scripted) -> None:
    server.will(Reply(202, {"replayed": 1000, "more": True}), Reply(202, {"replayed": 7, "more": False}))
    result = run("webhooks", "replay", "wh_1", "--since", "2026-12-01T00:00Z", "--status", "FAILED")
    assert result.stdout == "1007 are posted again\n"
    assert [request.body for request in server.requests] == [
        {"since": "2026-12-01T00:00:00Z", "status": ["FAILED"]}
    ] * 2
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 2


@pytest.mark.parametrize(("answer", "requests"), [("n\n", 0), ("", 0), ("y\n", 1)])
def test_removing_a_webhook_asks_first(run: Run, server: Scripted, answer: str, requests: int) -> None:
    server.will(Reply(204, ""))
    result = run("webhooks", "remove", "wh_1", given=answer)
    assert "Delete the webhook wh_1 and its deliveries?" in result.stderr
    assert [request.method for request in server.requests] == ["DELETE"] * requests
    assert result.stdout == ("wh_1 deleted\n" if requests else "")
    assert json.loads(run("webhooks", "remove", "wh_1", "--yes", "--json").stdout) == {"webhook_id": "wh_1"}


def test_recipients(run: Run, server: Scripted) -> None:
    server.will(Reply(202, RECIPIENT))
    added = run("recipients", "add", "ada@example.com", "--language", "zh", "--kind", "a", "--kind", "b")
    assert added.stdout == "recipient_1 pending\n"
    assert server.requests[0].body == {"address": "ada@example.com", "language": "zh", "kinds": ["a", "b"]}
    assert json.loads(run("recipients", "add", "ada@example.com", "--json").stdout) == RECIPIENT
    assert server.requests[1].body == {"address": "ada@example.com", "language": "en"}

    server.will(Reply(200, {"items": [RECIPIENT]}))
    assert "ada@example.com" in run("recipients", "list").stdout
    assert json.loads(run("recipients", "list", "--json").stdout) == [RECIPIENT]
    assert run("recipients", "remove", "recipient_1").stdout == "recipient_1 removed\n"
    assert (server.requests[-1].method, server.requests[-1].path) == ("DELETE", "/api/v1/mail/recipients/recipient_1")
    server.will(Reply(200, {"items": []}))
    assert run("recipients", "list").stderr == "longhaul: no recipients\n"


def test_a_submission_may_name_callbacks(run: Run, server: Scripted) -> None:
    server.will(Reply(202, task("PENDING")))
    run("submit", "x", "--callback", "https://a.example", "--callback", "https://b.example")
    assert server.requests[0].body["callbacks"] == [{"url": "https://a.example"}, {"url": "https://b.example"}]


FAILED = notice("failed", 2)
FAILED["data"]["detail"] = {"reason": "3 of 4 steps failed"}
FAILED["data"]["current_step"] = None


@pytest.mark.parametrize(("last", "code"), [(notice("succeeded", 3, progress=100), 0), (FAILED, 1)])
def test_listening_to_a_task_prints_its_notices(
    run: Run, server: Scripted, sockets: Sockets, last: Document, code: int
) -> None:
    # GIVEN a task that runs, fails or succeeds
    sockets.history = [notice("started", 1)]
    sockets.adds = lambda frame: [last] if frame["action"] == "subscribe" else []

    # WHEN its notices are listened to
    result, as_json = run("listen", "--task", "t-1"), run("listen", "--task", "t-1", "--json")

    # THEN each is a line, or a document, and how the task ended is the exit code
    what, status = ("failed   ", "FAILED") if code else ("succeeded", "SUCCEEDED")
    lines = [line.split("  ", 1)[1] for line in result.stdout.splitlines()]
    step, why = "正在获取区县数据：定安县", "3 of 4 steps failed" if code else "正在获取区县数据：定安县"
    assert lines == [
        f"state       40 %  RUNNING  t-1  海南省刷新  {step}",
        f"{what}  {40 if code else 100:3} %  {status}  t-1  海南省刷新  {why}",
    ]
    assert (result.exit_code, as_json.exit_code, result.stderr) == (code, code, "")
    assert [json.loads(line)["type"] for line in as_json.stdout.splitlines()] == ["longhaul.task.state", last["type"]]


def test_listening_to_all_goes_on_until_the_token_has_expired(run: Run, server: Scripted, sockets: Sockets) -> None:
    expired = problem(401, "unauthenticated", "The token has expired.")
    server.will(Reply(200, {"items": [], "next_cursor": None}), expired)
    sockets.adds = lambda frame: [notice("succeeded", 3), notice("started", 4, task_id="t-2")]

    def expire(request: Request) -> Reply:
        if request.method == "POST" and '"t-2"' in request.text:
            sockets.refuses = 401
            sockets.cut()
        return Reply(200, {})

    with scripted() as receiver:
        receiver.will(does=expire)
        result = run("listen", "--forward", receiver.url)
    assert [line.split()[5] for line in result.stdout.splitlines()] == ["t-1", "t-2"]
    assert result.exit_code == 6


def test_what_is_forwarded_is_signed_as_webhooks_are(
    run: Run, server: Scripted, sockets: Sockets, receiver: Scripted
) -> None:
    # GIVEN a task with notices of all sorts, and a receiver on this machine
    sockets.history = [notice("started", 1)]
    ends = [notice("progress", 1, 7), notice("paused", 2), notice("succeeded", 3, title="海😀")]
    sockets.adds = lambda frame: ends if frame["action"] == "subscribe" else []

    # WHEN they are forwarded, twice
    first = run("listen", "--task", "t-1", "--forward", f"{receiver.url}/hook?a=1")
    secret = first.stderr.splitlines()[0].rpartition(" ")[2]
    second = run("listen", "--task", "t-1", "--forward", f"{receiver.url}/hook?a=1", "--secret", secret)

    # THEN it had those that webhooks are told of, which an independent verifier takes, and the ids are constant
    verifier = Verifier(secret)
    bodies = [verifier.verify(request.text, dict(request.headers)) for request in receiver.requests]
    assert bodies == [ends[1], ends[2]] * 2
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2
    assert {(request.method, request.path) for request in receiver.requests} == {("POST", "/hook")}
    assert "authorization" not in receiver.requests[0].headers
    assert f"longhaul.task.paused {ends[1]['id']} -> 204" in first.stderr
    assert first.exit_code == second.exit_code == 0


@pytest.mark.parametrize(
    ("reply", "shown"),
    [(Reply(500), "-> 500"), (Reply(302, "", {"Location": "/elsewhere"}), "-> 302"), (Reply(drop=True), "-> ")],
    ids=["error", "redirect", "cut"],
)
def test_a_receiver_that_fails_ends_nothing(
    run: Run, server: Scripted, sockets: Sockets, receiver: Scripted, reply: Reply, shown: str
) -> None:
    receiver.will(reply)
    sockets.history = [notice("started", 1)]
    sockets.adds = lambda frame: [notice("paused", 2), notice("succeeded", 3)] if frame["action"] == "subscribe" else []
    result = run("listen", "--task", "t-1", "--forward", receiver.url)
    assert result.exit_code == 0
    assert result.stderr.count(shown) == 2
    assert len(receiver.requests) == 2


def test_a_receiver_that_is_not_there(run: Run, server: Scripted, sockets: Sockets) -> None:
    sockets.history = [notice("started", 1)]
    sockets.adds = lambda frame: [notice("succeeded", 3)] if frame["action"] == "subscribe" else []
    result = run("listen", "--task", "t-1", "--forward", "http://127.0.0.1:9", "--secret", new_secret())
    assert "-> All connection attempts failed" in result.stderr
    assert result.exit_code == 0
