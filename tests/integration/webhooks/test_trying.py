"""deliver_webhook: each rule of a try, with real receivers; and that nobody is in another's way."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from longhaul import database as longhaul_database
from longhaul.errors import DatabaseUnavailable
from longhaul.tasks import publication
from longhaul.tasks.notices import Channel
from tests.calling import at_once, call, records, sample
from tests.gateway import Api
from tests.notifying import REFUSED, TAKEN, WEBHOOKS, ask, delivery, make, tried
from tests.receiving import Receiver, verified
from webhooks import trying
from webhooks.delivery_store import Due
from webhooks.model import Outcome
from webhooks.trying import deliver

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]
type PassTime = Callable[[float], None]


def read(api: Api, webhook: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"{WEBHOOKS}/{webhook['webhook_id']}")
    return found


def seconds_until(sql: Sql, table: str) -> list[float]:
    rows = sql(
        f"SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), next_attempt_at) / 1000000 AS s FROM {table} ORDER BY 1"
    )
    return [float(row["s"]) for row in rows]


def test_a_message_has_its_delivery_posted_signed_and_noted(api: Api, receiver: Receiver, sent: Sent) -> None:
    # GIVEN a webhook and a test
    webhook = make(api, receiver.url("a"))
    receiver.behave("a", status=202, body="thanks")
    due = ask(api, webhook)

    # WHEN its message comes, twice
    (message,) = sent("deliver")
    for _ in range(2):
        assert call("webhooks", "deliver_webhook", records(message)) == {"batchItemFailures": []}

    # THEN the receiver has it once, and can verify it
    (posted,) = receiver.posted("a")
    assert verified(posted, webhook["secret"])["type"] == "longhaul.webhook.test"
    assert posted["headers"]["webhook-id"] == due.delivery_id
    assert posted["headers"]["content-type"] == "application/json"

    # AND the log says so
    seen = delivery(api, webhook)
    assert (seen["status"], seen["tries"], seen["status_code"], seen["answer"]) == ("SUCCEEDED", 1, 202, "thanks")
    assert (seen["error"], seen["next_attempt_at"]) == (None, None)
    assert seen["latency_ms"] >= 0
    assert seen["delivered_at"] >= seen["attempted_at"] >= seen["created_at"]
    assert read(api, webhook)["failing_since"] is None


def test_a_failure_is_tried_again_by_the_schedule_with_the_same_id(
    api: Api, sql: Sql, sent: Sent, pass_time: PassTime
) -> None:
    # GIVEN a delivery that always fails
    webhook = make(api)
    due = ask(api, webhook)
    sent("deliver")
    ids: list[str] = []

    def post(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        ids.append(headers["webhook-id"])
        return REFUSED

    # WHEN it is tried as often as it may
    waits: list[float] = []
    for tries in range(1, 11):
        deliver([due], post=post)
        assert delivery(api, webhook)["tries"] == tries
        (wait,) = seconds_until(sql, "webhook_deliveries") if tries < 10 else (0.0,)
        waits.append(wait)
        deliver([due], post=post)  # too early: nothing happens
        pass_time(wait + 1)
        sql("UPDATE webhooks SET failing_since = UTC_TIMESTAMP(6)")

    # THEN it was by the schedule, under one id, and has FAILED
    wanted = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, 0]
    assert all(want - 3 < wait <= want for wait, want in zip(waits, wanted, strict=True)), waits
    assert ids == [due.delivery_id] * 10
    seen = delivery(api, webhook)
    assert (seen["status"], seen["status_code"], seen["next_attempt_at"]) == ("FAILED", 500, None)

    # AND what is due within a quarter of an hour has a message, the rest is the sweep's
    assert len(sent("deliver")) <= 2


def test_retry_after_makes_the_wait_longer(api: Api, sql: Sql) -> None:
    webhook = make(api)
    tried(ask(api, webhook), Outcome(429, "…", retry_after=600))
    assert all(597 < wait < 601 for table in ("webhooks", "webhook_deliveries") for wait in seconds_until(sql, table))


def test_a_410_disables_at_once(api: Api, sent: Sent, sql: Sql) -> None:
    # GIVEN the only webhook of a tenant
    webhook = make(api)
    due = ask(api, webhook)

    # WHEN it answers that it is gone
    tried(due, Outcome(410, "the answer's status is 410"))

    # THEN it is disabled, and its tenant's notices are sent to nobody
    seen = read(api, webhook)
    assert (seen["disabled"], seen["disabled_reason"]) == (True, "gone")
    assert seen["disabled_at"]
    with longhaul_database.connection() as session:
        assert not publication.is_heard(session, "acme", Channel.WEBHOOKS)

    # AND nothing is posted to it, whatever is asked
    assert api("POST", f"{WEBHOOKS}/{webhook['webhook_id']}/test").body["code"] == "webhook_disabled"
    sql("UPDATE webhook_deliveries SET next_attempt_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    assert tried(due, TAKEN) == 0

    # AND enabled again it is told again, and what waits is tried
    assert api("PATCH", f"{WEBHOOKS}/{webhook['webhook_id']}", {"disabled": False}).body["disabled"] is False
    with longhaul_database.connection() as session:
        assert publication.is_heard(session, "acme", Channel.WEBHOOKS)
    assert tried(due, TAKEN) == 1


@pytest.mark.parametrize(("hours", "disabled"), [(119, False), (121, True)])
def test_a_webhook_that_has_failed_for_five_days_is_disabled(
    api: Api, pass_time: PassTime, warnings: list[str], hours: int, *, disabled: bool
) -> None:
    # GIVEN a webhook that began to fail so long ago
    webhook = make(api)
    due = ask(api, webhook)
    tried(due, REFUSED)
    pass_time(hours * 3600)

    # WHEN it fails again
    tried(due, REFUSED)

    # THEN it is disabled, if that is long enough
    seen = read(api, webhook)
    assert (seen["disabled"], seen["disabled_reason"]) == (disabled, "failing" if disabled else None)
    assert ("webhook disabled" in warnings) is disabled


def test_tries_that_fail_together_are_one_failure(api: Api, sql: Sql) -> None:
    # GIVEN a webhook that works, so that four tries are under way at once
    webhook = make(api)
    tried(ask(api, webhook), TAKEN)
    dues = [ask(api, webhook) for _ in range(4)]

    # WHEN all of them fail
    deliver(dues, post=lambda *_: REFUSED)

    # THEN it rests as after one failure
    assert sql("SELECT failures FROM webhooks") == [{"failures": 1}]
    assert all(2 < wait < 6 for wait in seconds_until(sql, "webhooks"))


def test_a_success_forgets_the_failures(api: Api, pass_time: PassTime) -> None:
    webhook = make(api)
    due = ask(api, webhook)
    tried(due, REFUSED)
    assert read(api, webhook)["failing_since"]
    pass_time(10)
    assert tried(due, TAKEN) == 1
    seen = read(api, webhook)
    assert (seen["failing_since"], seen["next_attempt_at"]) == (None, None)


def test_a_webhook_that_fails_is_not_tried_by_its_other_deliveries_before_its_time(
    api: Api, sent: Sent, pass_time: PassTime
) -> None:
    # GIVEN a webhook whose last try failed, with more deliveries
    webhook = make(api)
    first = ask(api, webhook)
    tried(first, REFUSED)
    others = [_recorded(api, webhook) for _ in range(3)]

    # THEN none of them is tried
    assert deliver(others, post=lambda *_: pytest.fail("it was tried")) == 0

    # AND once its time has come one at a time, and a success has the next ones tried
    pass_time(10)
    posted: list[str] = []
    sent("deliver")

    def post(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        posted.append(headers["webhook-id"])
        return TAKEN

    assert deliver([first, *others], post=post) == 1
    assert posted == [first.delivery_id]
    assert {message["delivery_id"] for message in sent("deliver")} <= {due.delivery_id for due in others}
    assert deliver(others, post=post) == 3


def _recorded(api: Api, webhook: dict[str, Any]) -> Due:
    """A delivery as recording makes it: a test would have the webhook tried at once."""
    from webhooks import delivery_store, store

    number = len(api.get(f"{WEBHOOKS}/{webhook['webhook_id']}/deliveries")["items"])
    due = Due(f"msg_{number:032x}", "acme")
    with longhaul_database.connection() as session:
        row = store.fetch(session, "acme", webhook["webhook_id"])
        assert row is not None
        delivery_store.insert_delivery(session, row, due.delivery_id, f"n{number}", "longhaul.task.started", "{}")
    return due


@pytest.mark.parametrize("state", ["paused", "disabled", "deleted"])
def test_what_is_not_to_be_told_is_not_tried(api: Api, sql: Sql, state: str) -> None:
    # GIVEN a delivery whose message is on its way
    webhook = make(api)
    due = ask(api, webhook)

    # WHEN its webhook is paused, disabled or deleted meanwhile
    if state == "deleted":
        assert api("DELETE", f"{WEBHOOKS}/{webhook['webhook_id']}").status == 200
    elif state == "paused":
        assert api("PATCH", f"{WEBHOOKS}/{webhook['webhook_id']}", {"paused": True}).status == 200
    else:
        sql("UPDATE webhooks SET disabled_at = UTC_TIMESTAMP(6)")

    # THEN nothing is posted, and it waits
    assert deliver([due], post=lambda *_: pytest.fail("it was tried")) == 0
    assert sql("SELECT status, tries FROM webhook_deliveries") == [{"status": "PENDING", "tries": 0}]


def test_two_workers_with_the_same_message_post_once(api: Api, receiver: Receiver) -> None:
    webhook = make(api, receiver.url("a"))
    receiver.behave("a", delay=0.3)
    due = ask(api, webhook)
    at_once(4, lambda: deliver([due]))
    assert len(receiver.posted("a")) == 1


def test_a_worker_that_dies_leaves_a_lease_after_which_it_is_tried_again_under_the_same_id(
    api: Api, receiver: Receiver, pass_time: PassTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a worker that dies when the receiver has answered 2xx, before that is noted
    webhook = make(api, receiver.url("a"))
    due = ask(api, webhook)
    with monkeypatch.context() as patch:
        patch.setattr(trying, "_note", lambda *_: (_ for _ in ()).throw(DatabaseUnavailable("gone")))
        with pytest.raises(DatabaseUnavailable):
            deliver([due])

    # THEN while its lease holds nobody tries it, and then somebody does
    assert deliver([due]) == 0
    pass_time(trying.LEASE_SECONDS + 1)
    assert deliver([due]) == 1
    assert receiver.ids("a") == [due.delivery_id] * 2
    assert delivery(api, webhook)["tries"] == 2


def test_an_old_try_that_fails_late_changes_nothing_and_one_that_succeeded_counts(
    api: Api, pass_time: PassTime
) -> None:
    # GIVEN a try whose lease has ended while it was under way, and another one since
    webhook = make(api)
    due = ask(api, webhook)
    stale = trying._lease(due)
    assert stale is not None
    pass_time(trying.LEASE_SECONDS + 1)
    fresh = trying._lease(due)
    assert fresh is not None
    assert (stale.tries, fresh.tries) == (1, 2)

    # WHEN the old one fails
    trying._note(stale, REFUSED)
    seen = delivery(api, webhook)
    assert (seen["status"], seen["error"]) == ("PENDING", None)

    # AND succeeds
    trying._note(stale, TAKEN)
    assert delivery(api, webhook)["status"] == "SUCCEEDED"


def test_a_rotated_secret_signs_beside_the_former_one_for_a_day(
    api: Api, receiver: Receiver, pass_time: PassTime
) -> None:
    # GIVEN a webhook whose secret was rotated
    webhook = make(api, receiver.url("a"))
    rotated = api("POST", f"{WEBHOOKS}/{webhook['webhook_id']}/rotate").body
    assert rotated["secret"] != webhook["secret"]

    # THEN either verifies
    deliver([ask(api, webhook)])
    for secret in (webhook["secret"], rotated["secret"]):
        verified(receiver.posted("a")[0], secret)

    # AND a day later the former one does not
    pass_time(24 * 3600 + 1)
    deliver([ask(api, webhook)])
    verified(receiver.posted("a")[1], rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        verified(receiver.posted("a")[1], webhook["secret"])


def test_a_webhook_has_one_try_at_a_time_until_it_is_known_to_work_and_then_four(api: Api) -> None:
    # GIVEN a new webhook with many deliveries
    webhook = make(api)
    dues = [ask(api, webhook) for _ in range(8)]
    most = _most_at_once(dues)
    assert most == 1

    # WHEN that has succeeded
    assert _most_at_once(dues) == 4


def test_workers_that_claim_at_once_do_not_pass_over_a_bound(api: Api) -> None:
    # GIVEN a new webhook with deliveries, and a worker for each
    webhook = make(api)
    dues = [ask(api, webhook) for _ in range(6)]
    left = iter(dues)
    counting = _Counting()

    # WHEN all claim at once
    at_once(6, lambda: deliver([next(left)], post=counting.post))

    # THEN one is under way at a time
    assert counting.most == 1


def _most_at_once(dues: list[Due]) -> int:
    counting = _Counting()
    deliver(dues, post=counting.post)
    return counting.most


class _Counting:
    """A receiver that takes all, and counts how many tries are under way together."""

    def __init__(self) -> None:
        self._running, self.most, self._lock = 0, 0, threading.Lock()

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        time.sleep(0.5)
        with self._lock:
            self._running -= 1
        return TAKEN


def test_a_tenants_tries_are_bounded_and_come_back_soon(
    api: Api, other: Api, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a tenant that may have two tries under way, and three webhooks
    monkeypatch.setattr(trying, "MAX_TENANT_TRIES", 2)
    dues = [ask(api, make(api)) for _ in range(3)]
    theirs = Due(ask(other, make(other)).delivery_id, "umbrella")
    sent("deliver")
    posted: list[str] = []

    def post(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        posted.append(headers["webhook-id"])
        return TAKEN

    # WHEN all are to be tried at once
    assert deliver([*dues, theirs], post=post) == 3

    # THEN two of its own are, and another tenant's; the third's message comes back
    assert set(posted) == {dues[0].delivery_id, dues[1].delivery_id, theirs.delivery_id}
    assert deliver([dues[2]], post=post) == 1


def test_few_of_those_that_are_not_known_to_work_are_under_way(
    api: Api, other: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a webhook that works, and more that were never tried than may be under way
    works = make(other)
    assert tried(Due(ask(other, works).delivery_id, "umbrella"), TAKEN) == 1
    monkeypatch.setattr(trying, "MAX_DOUBTFUL_TRIES", 2)
    dues = [ask(api, make(api)) for _ in range(4)]

    # WHEN all are to be tried at once
    good = Due(ask(other, works).delivery_id, "umbrella")

    # THEN two of them are, and the one that works
    assert deliver([*dues, good], post=lambda *_: TAKEN) == 3


def test_one_that_hangs_beyond_all_bounds_is_late_and_holds_up_no_other(api: Api) -> None:
    # GIVEN a webhook whose DNS never answers, and one that is well
    hanging, well = make(api, "https://hangs.example.com/"), make(api, "https://well.example.com/")
    let_go = threading.Event()

    def post(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        if "hangs" in url:
            let_go.wait(30)
        return TAKEN

    # WHEN both are tried
    began = time.monotonic()
    assert deliver([ask(api, hanging), ask(api, well)], post=post, seconds=-1.5) == 1
    assert time.monotonic() - began < 20
    let_go.set()

    # THEN each is noted
    assert delivery(api, well)["status"] == "SUCCEEDED"
    seen = delivery(api, hanging)
    assert (seen["status"], seen["error"]) == ("PENDING", "no answer within 15 s")


def test_the_sample_event_is_taken(database: dict[str, Any]) -> None:
    event = sample("webhooks", "deliver_webhook")
    assert call("webhooks", "deliver_webhook", event) == {"batchItemFailures": []}
