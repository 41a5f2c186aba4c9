"""serve_webhooks: webhooks made, read, changed, rotated and deleted; their deliveries listed and replayed."""

import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from longhaul import database as longhaul_database
from longhaul.tasks import publication
from longhaul.tasks.notices import Channel
from tests.calling import at_once, call, sample
from tests.gateway import Api
from tests.notifying import REFUSED, WEBHOOKS, ask, delivery, make, notice, record, task_of, tried
from webhooks import deliveries, endpoints
from webhooks.delivery_store import Due
from webhooks.endpoints import Wanted
from webhooks.model import Outcome, TooManyWebhooks
from webhooks.trying import deliver

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]
type PassTime = Callable[[float], None]

URL = "https://hooks.example.com/longhaul"
ENDS = ["longhaul.task.succeeded", "longhaul.task.failed"]
STRANGER = "wh_" + "0" * 32


def path(webhook: dict[str, Any], *rest: str) -> str:
    return "/".join([WEBHOOKS, webhook["webhook_id"], *rest])


def test_a_webhook_is_made_read_and_listed(api: Api) -> None:
    # WHEN one is made
    answer = api("POST", WEBHOOKS, {"url": URL, "title": "ends", "events": ENDS, "kinds": ["role_creation"]})
    assert answer.status == 201
    made = answer.body
    assert answer.headers["Location"] == path(made)
    assert made.pop("secret").startswith("whsec_")
    assert (made["url"], made["title"], made["events"], made["kinds"]) == (URL, "ends", ENDS, ["role_creation"])
    assert (made["paused"], made["disabled"], made["disabled_at"], made["failing_since"]) == (False, False, None, None)

    # THEN it is read without its secret, by condition, and listed
    read = api("GET", path(made))
    assert read.body == made
    assert api("GET", path(made), if_none_match=read.headers["ETag"]).status == 304
    assert api.get(WEBHOOKS) == {"items": [made], "next_cursor": None}


def test_lists_go_on_after_a_cursor(api: Api, other: Api) -> None:
    made = {make(api, f"{URL}/{number}")["webhook_id"] for number in range(5)}
    make(other)
    first = api.get(WEBHOOKS, "limit=2")
    second = api.get(WEBHOOKS, f"limit=3&cursor={first['next_cursor']}")
    listed = [*first["items"], *second["items"]]
    assert {item["webhook_id"] for item in listed} == made
    # The engine's clock may stand still between two of them.
    assert listed == sorted(listed, key=lambda item: (item["created_at"], item["webhook_id"]))
    assert second["next_cursor"] is None
    assert other("GET", WEBHOOKS, query=f"cursor={first['next_cursor']}").body["code"] == "invalid_cursor"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": "http://hooks.example.com/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://user:pw@hooks.example.com/"}, "/url"),
        ({"url": URL, "events": ["succeeded"]}, "/events/0"),
        ({"url": URL, "events": ["longhaul.task.progress"]}, "/events/0"),
        ({"url": URL, "events": []}, "/events"),
        ({"url": URL, "kinds": ["no_such_kind"]}, "/kinds/0"),
        ({"url": URL, "kinds": ["a,b"]}, "/kinds/0"),
        ({"url": URL, "title": ""}, "/title"),
        ({"url": URL, "secret": "whsec_mine"}, "/secret"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = api("POST", WEBHOOKS, body)
    assert answer.status == 422
    assert pointer in [error["pointer"] for error in answer.body["errors"]], answer.body


def test_a_refusal_says_why(api: Api) -> None:
    answer = api("POST", WEBHOOKS, {"url": "https://169.254.169.254/latest/"})
    assert answer.body["errors"][0]["detail"] == "169.254.169.254 is not a public address"


def test_a_key_makes_one_webhook(api: Api) -> None:
    # GIVEN a request whose answer was lost
    first = api("POST", WEBHOOKS, {"url": URL}, idempotency_key="k1")

    # WHEN it comes again
    again = api("POST", WEBHOOKS, {"url": URL}, idempotency_key="k1")

    # THEN it has the same answer, its secret too
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(api.get(WEBHOOKS)["items"]) == 1
    assert api("POST", WEBHOOKS, {"url": f"{URL}/2"}, idempotency_key="k1").body["code"] == "idempotency_key_reused"


def test_a_tenant_has_no_more_than_its_share(api: Api, other: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_WEBHOOKS", 2)

    def create() -> None:
        with contextlib.suppress(TooManyWebhooks):
            endpoints.create("acme", Wanted(URL))

    at_once(4, create)
    assert len(api.get(WEBHOOKS)["items"]) == 2
    answer = api("POST", WEBHOOKS, {"url": URL})
    assert (answer.status, answer.body["code"]) == (409, "too_many_webhooks")
    make(other)


def test_another_tenants_webhook_is_not_there(api: Api, other: Api) -> None:
    webhook = make(api)
    due = ask(api, webhook)
    for method, rest, body in (
        ("GET", (), None),
        ("PATCH", (), {"paused": True}),
        ("DELETE", (), None),
        ("POST", ("rotate",), None),
        ("POST", ("test",), None),
        ("GET", ("deliveries",), None),
        ("POST", ("deliveries", due.delivery_id, "replay"), None),
        ("POST", ("replay",), {"since": "2026-01-01T00:00:00Z"}),
    ):
        answer = other(method, path(webhook, *rest), body)
        assert (answer.status, answer.body["code"]) == (404, "not_found"), (method, rest)
    assert other.get(WEBHOOKS)["items"] == []
    assert api.get(path(webhook))["paused"] is False


def test_a_change_changes_what_is_given_and_nothing_else(api: Api) -> None:
    webhook = make(api, URL, title="a", events=ENDS, kinds=["role_creation"])
    changed = api("PATCH", path(webhook), {"events": None, "title": "b"}).body
    assert (changed["events"], changed["title"], changed["kinds"]) == (None, "b", ["role_creation"])
    changed = api("PATCH", path(webhook), {"paused": True, "kinds": None, "url": f"{URL}/2"}).body
    assert (changed["paused"], changed["kinds"], changed["url"], changed["title"]) == (True, None, f"{URL}/2", "b")
    assert changed["created_at"] == webhook["created_at"]


@pytest.mark.parametrize(
    "body",
    [{}, {"url": None}, {"paused": None}, {"paused": "yes"}, {"disabled": True}, {"disabled": None}, {"url": "x"}],
)
def test_a_change_that_says_nothing_or_nonsense_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api("PATCH", path(make(api)), body).status == 422


def test_a_change_is_only_for_who_has_seen_the_webhook_as_it_is(api: Api) -> None:
    # GIVEN two who have read it
    webhook = make(api)
    tag = api("GET", path(webhook)).headers["ETag"]

    # WHEN both change it, or the second deletes it
    assert api("PATCH", path(webhook), {"paused": True}, if_match=tag).status == 200
    assert api("PATCH", path(webhook), {"paused": False}, if_match=tag).status == 412
    assert api("DELETE", path(webhook), if_match=tag).status == 412

    # THEN the first one's holds
    assert api.get(path(webhook))["paused"] is True


def test_a_change_that_is_sent_again_does_not_undo_what_came_between(api: Api) -> None:
    webhook = make(api)
    assert api("PATCH", path(webhook), {"paused": True}, idempotency_key="k1").status == 200
    assert api("PATCH", path(webhook), {"paused": False}).status == 200
    again = api("PATCH", path(webhook), {"paused": True}, idempotency_key="k1")
    assert (again.status, again.body["paused"]) == (200, False)


@pytest.mark.parametrize(("change", "renewed"), [({"url": f"{URL}/new"}, True), ({"title": "b"}, False)])
def test_another_address_is_a_new_beginning(api: Api, change: dict[str, Any], *, renewed: bool) -> None:
    webhook = make(api, URL)
    tried(ask(api, webhook), Outcome(410, "gone"))
    assert api("PATCH", path(webhook), change).body["disabled"] is not renewed


def test_a_deleted_webhook_is_gone_at_once_and_deleting_it_again_by_key_is_no_mistake(api: Api) -> None:
    webhook = make(api)
    ask(api, webhook)
    assert api("DELETE", path(webhook), idempotency_key="k1").status == 200
    assert api("DELETE", path(webhook), idempotency_key="k1").status == 200
    assert api("DELETE", path(webhook)).status == 404
    assert api("GET", path(webhook, "deliveries")).status == 404
    assert api.get(WEBHOOKS)["items"] == []


def test_its_tenant_listens_as_long_as_one_webhook_is_told(api: Api) -> None:
    def listens() -> bool:
        with longhaul_database.connection() as session:
            return publication.is_heard(session, "acme", Channel.WEBHOOKS)

    assert not listens()
    first, second = make(api), make(api)
    assert listens()
    api("DELETE", path(first))
    api("PATCH", path(second), {"paused": True})
    assert listens()
    api("DELETE", path(second))
    assert not listens()


def test_a_rotation_by_key_takes_place_once(api: Api) -> None:
    webhook = make(api)
    first = api("POST", path(webhook, "rotate"), idempotency_key="k1").body["secret"]
    again = api("POST", path(webhook, "rotate"), idempotency_key="k1").body["secret"]
    assert first == again != webhook["secret"]


def test_the_tenants_own_secret(api: Api, other: Api) -> None:
    # GIVEN nothing: it is made when it is asked for
    secret = api.get(f"{WEBHOOKS}/secret")
    assert secret["secret"].startswith("whsec_")
    assert secret["former_until"] is None
    assert api.get(f"{WEBHOOKS}/secret") == secret
    assert other.get(f"{WEBHOOKS}/secret") != secret

    # WHEN it is rotated
    rotated = api("POST", f"{WEBHOOKS}/secret/rotate", idempotency_key="k1").body
    assert rotated["secret"] != secret["secret"]
    assert rotated["former_until"]
    assert api("POST", f"{WEBHOOKS}/secret/rotate", idempotency_key="k1").body == rotated


@pytest.mark.parametrize(
    ("method", "where"),
    [("GET", WEBHOOKS), ("GET", f"{WEBHOOKS}/{STRANGER}/deliveries"), ("GET", f"{WEBHOOKS}/secret")],
)
def test_reading_needs_the_scope_and_the_secret_the_one_to_write(
    database: dict[str, Any], method: str, where: str
) -> None:
    for scope in ("tasks:read tasks:write", "notices:read"):
        answer = Api(scope=scope, functions=("webhooks.serve_webhooks",))(method, where)
        allowed = scope == "notices:read" and not where.endswith("/secret")
        assert (answer.status == 403) is not allowed, (scope, where)


@pytest.mark.parametrize("rest", ["", "/rotate", "/test"])
def test_writing_needs_the_scope(database: dict[str, Any], rest: str) -> None:
    reader = Api(scope="notices:read", functions=("webhooks.serve_webhooks",))
    where = f"{WEBHOOKS}/{STRANGER}{rest}" if rest else WEBHOOKS
    assert reader("POST", where, {"url": URL}).status == 403


# ----------------------------------------------------------------------------------------------------- deliveries


def test_deliveries_are_listed_the_newest_first_by_status_and_by_cursor(api: Api) -> None:
    webhook = make(api)
    dues = [ask(api, webhook) for _ in range(4)]
    tried(dues[1], Outcome(204))
    ids = [due.delivery_id for due in reversed(dues)]
    first = api.get(path(webhook, "deliveries"), "limit=3")
    second = api.get(path(webhook, "deliveries"), f"limit=3&cursor={first['next_cursor']}")
    assert [item["delivery_id"] for item in [*first["items"], *second["items"]]] == ids
    assert second["next_cursor"] is None
    (done,) = api.get(path(webhook, "deliveries"), "status=SUCCEEDED")["items"]
    assert done["delivery_id"] == dues[1].delivery_id
    refused = api("GET", path(webhook, "deliveries"), query=f"status=FAILED&cursor={first['next_cursor']}")
    assert refused.body["code"] == "invalid_cursor"
    assert api("GET", path(webhook, "deliveries"), query="status=WAITING").status == 400


def test_a_replay_posts_the_same_again(api: Api, sent: Sent) -> None:
    # GIVEN a delivery that has succeeded
    webhook = make(api)
    due = ask(api, webhook)
    tried(due, Outcome(204))
    sent("deliver")

    # WHEN it is asked for again
    answer = api("POST", path(webhook, "deliveries", due.delivery_id, "replay"))

    # THEN it is due from its first try on, and has its message
    assert answer.status == 202
    assert (answer.body["status"], answer.body["tries"]) == ("PENDING", 0)
    assert [message["delivery_id"] for message in sent("deliver")] == [due.delivery_id]
    assert tried(due, Outcome(204)) == 1


def test_a_replay_by_a_person_does_not_wait_for_a_webhook_that_rests(api: Api) -> None:
    webhook = make(api)
    due = ask(api, webhook)
    tried(due, REFUSED)
    assert tried(due, Outcome(204)) == 0
    assert api("POST", path(webhook, "deliveries", due.delivery_id, "replay")).status == 202
    assert tried(due, Outcome(204)) == 1


def test_what_is_being_tried_is_not_replayed(api: Api) -> None:
    # GIVEN a delivery, asked for again while it is tried
    webhook = make(api)
    due = ask(api, webhook)
    answers: list[int] = []

    def post(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        answers.append(api("POST", path(webhook, "deliveries", due.delivery_id, "replay")).status)
        longhaul_database.close()
        return Outcome(204)

    deliver([due], post=post)

    # THEN that is a conflict
    assert answers == [409]
    assert delivery(api, webhook)["status"] == "SUCCEEDED"


def test_all_since_a_time_are_replayed_and_counted_once(api: Api, sent: Sent, sql: Sql, pass_time: PassTime) -> None:
    # GIVEN deliveries that have succeeded and failed, one of them long ago, and one that waits
    webhook = make(api)
    old = ask(api, webhook)
    tried(old, Outcome(204))
    pass_time(3600)
    failed, done, waits = (ask(api, webhook) for _ in range(3))
    tried(done, Outcome(204))
    sql("UPDATE webhook_deliveries SET status = 'FAILED' WHERE delivery_id = %s", failed.delivery_id)
    since = delivery(api, webhook, failed)["created_at"]
    sent("deliver")

    # WHEN the failed ones are asked for again, and then all, the latter twice under one key
    assert api("POST", path(webhook, "replay"), {"since": since, "status": ["FAILED"]}).body == {
        "replayed": 1, "more": False, "next_since": None
    }  # fmt: skip
    assert [message["delivery_id"] for message in sent("deliver")] == [failed.delivery_id]
    sql("UPDATE webhook_deliveries SET status = 'FAILED' WHERE delivery_id = %s", failed.delivery_id)
    for _ in range(2):
        answer = api("POST", path(webhook, "replay"), {"since": since}, idempotency_key="k1")
        assert (answer.status, answer.body["replayed"]) == (202, 2)

    # THEN neither the old one nor what waits was touched
    assert {message["delivery_id"] for message in sent("deliver")} == {failed.delivery_id, done.delivery_id}
    assert delivery(api, webhook, old)["status"] == "SUCCEEDED"
    assert delivery(api, webhook, waits)["tries"] == 0


def test_of_very_many_the_oldest_are_replayed_first_and_all_of_them_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, sql: Sql, sent: Sent
) -> None:
    # GIVEN more deliveries than one request replays
    monkeypatch.setattr(deliveries, "MAX_REPLAYED", 2)
    webhook = make(api)
    dues = [ask(api, webhook) for _ in range(3)]
    for age, due in enumerate(reversed(dues)):
        sql(
            "UPDATE webhook_deliveries SET status = 'FAILED', created_at = TIMESTAMPADD(HOUR, %s, created_at)"
            " WHERE delivery_id = %s",
            -age,
            due.delivery_id,
        )
    sent("deliver")

    # WHEN they are replayed, and each succeeds at once
    first = api("POST", path(webhook, "replay"), {"since": "2026-01-01T00:00:00Z"}).body
    assert (first["replayed"], first["more"]) == (2, True)
    assert delivery(api, webhook, dues[2])["status"] == "FAILED"
    for due in dues[:2]:
        tried(due, Outcome(204))
    sent("deliver")

    # THEN the next round goes on where the first ended, and does not begin again
    second = api("POST", path(webhook, "replay"), {"since": first["next_since"]}).body
    assert (second["replayed"], second["more"]) == (2, True)
    assert {message["delivery_id"] for message in sent("deliver")} == {due.delivery_id for due in dues[1:]}


def test_a_test_by_key_is_posted_once(api: Api) -> None:
    webhook = make(api)
    first = api("POST", path(webhook, "test"), idempotency_key="k1")
    again = api("POST", path(webhook, "test"), idempotency_key="k1")
    assert (first.status, again.status) == (202, 202)
    assert first.headers["Location"] == path(webhook, "deliveries")
    assert first.body["delivery_id"] == again.body["delivery_id"]
    assert len(api.get(path(webhook, "deliveries"))["items"]) == 1


def test_the_deliveries_of_a_task_are_listed_and_a_callbacks_is_replayed(api: Api, other: Api, sent: Sent) -> None:
    # GIVEN a task that a webhook and a callback are told of
    webhook = make(api)
    body = {"kind": "hospital_province_refresh", "params": {"province": "广东省"}, "callbacks": [{"url": f"{URL}/cb"}]}
    task_id = Api(functions=("tasks.serve_tasks",))("POST", "/api/v1/tasks", body).body["task_id"]
    record(notice(task_of(task_id)))
    sent("deliver")

    # THEN the task's deliveries name both, to its tenant alone
    items = api.get(f"{WEBHOOKS}/deliveries", f"task_id={quote(task_id)}")["items"]
    assert len(items) == 2
    assert webhook["webhook_id"] in [item["webhook_id"] for item in items]
    assert other.get(f"{WEBHOOKS}/deliveries", f"task_id={quote(task_id)}")["items"] == []

    # AND the callback's is replayed like any
    (called,) = (item for item in items if item["webhook_id"].startswith("cb_"))
    tried(Due(called["delivery_id"], "acme"), Outcome(204))
    answer = api("POST", f"{WEBHOOKS}/{called['webhook_id']}/deliveries/{called['delivery_id']}/replay")
    assert (answer.status, answer.body["status"]) == (202, "PENDING")

    # AND its address is no webhook to be changed
    assert api("GET", f"{WEBHOOKS}/{called['webhook_id']}").status in (400, 404, 422)


def test_the_sample_event_is_taken(database: dict[str, Any]) -> None:
    assert call("webhooks", "serve_webhooks", sample("webhooks", "serve_webhooks"))["statusCode"] == 201
