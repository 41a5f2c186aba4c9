"""sweep_webhooks: what is due and has no message, and what nobody needs any more."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.calling import call, sample
from tests.gateway import Api
from tests.notifying import REFUSED, WEBHOOKS, ask, make, tried
from webhooks import delivery_store
from webhooks.model import Outcome
from webhooks.sweeping import sweep
from webhooks.trying import deliver

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]
type PassTime = Callable[[float], None]

DAY = 86_400


def swept(sent: Sent) -> list[str]:
    answer = call("webhooks", "sweep_webhooks", sample("webhooks", "sweep_webhooks"))
    messages = [message["delivery_id"] for message in sent("deliver")]
    assert answer["due"] == len(messages)
    return messages


def test_a_delivery_whose_message_was_lost_is_found(api: Api, sent: Sent) -> None:
    # GIVEN a delivery whose message is gone
    due = ask(api, make(api))
    sent("deliver")

    # THEN the sweep sends one
    assert swept(sent) == [due.delivery_id]


def test_a_retry_is_found_when_its_time_has_come(api: Api, sent: Sent, pass_time: PassTime) -> None:
    # GIVEN a delivery that has failed twice, the next time half an hour ahead
    due = ask(api, make(api))
    tried(due, REFUSED)
    pass_time(6)
    tried(due, REFUSED)
    sent("deliver")

    # THEN it is found then, and not before
    assert swept(sent) == []
    pass_time(5 * 60)
    assert swept(sent) == [due.delivery_id]


def test_of_each_webhook_the_oldest_is_found_and_those_that_must_wait_are_not(
    api: Api, sent: Sent, sql: Sql, pass_time: PassTime
) -> None:
    # GIVEN webhooks with two deliveries each: ready, resting, paused and disabled
    webhooks = [make(api) for _ in range(4)]
    dues = [[ask(api, webhook) for _ in range(2)] for webhook in webhooks]
    ready, resting, paused, disabled = (webhook["webhook_id"] for webhook in webhooks)
    sql("UPDATE webhooks SET next_attempt_at = TIMESTAMPADD(HOUR, 1, UTC_TIMESTAMP(6)) WHERE webhook_id = %s", resting)
    assert api("PATCH", f"{WEBHOOKS}/{paused}", {"paused": True}).status == 200
    sql("UPDATE webhooks SET disabled_at = UTC_TIMESTAMP(6) WHERE webhook_id = %s", disabled)
    sent("deliver")

    # THEN one of the first is found
    assert swept(sent) == [dues[0][0].delivery_id]
    assert ready

    # AND once it may, what has waited for the person who paused it
    assert api("PATCH", f"{WEBHOOKS}/{paused}", {"paused": False}).status == 200
    assert sorted(swept(sent)) == sorted([dues[0][0].delivery_id, dues[2][0].delivery_id])


def test_a_success_goes_on_with_what_has_waited(api: Api, sent: Sent, pass_time: PassTime) -> None:
    # GIVEN a webhook with many deliveries that nobody has tried
    dues = [ask(api, make(api)) for _ in range(1)]
    webhook = make(api)
    dues = [ask(api, webhook) for _ in range(6)]
    pass_time(10)
    sent("deliver")

    # WHEN one has succeeded
    deliver([dues[0]], post=lambda *_: Outcome(204))

    # THEN the next ones have messages
    assert [message["delivery_id"] for message in sent("deliver")] == [due.delivery_id for due in dues[1:3]]


def test_what_has_just_been_recorded_has_its_message_on_the_way_and_gets_no_other(
    api: Api, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_store, "ON_THE_WAY_SECONDS", 600)  # a busy machine takes more than two
    webhook = make(api)
    dues = [ask(api, webhook) for _ in range(3)]
    sent("deliver")
    deliver([dues[0]], post=lambda *_: Outcome(204))
    assert sent("deliver") == []


def test_old_deliveries_and_idle_addresses_of_callbacks_are_deleted(api: Api, sql: Sql, pass_time: PassTime) -> None:
    # GIVEN a delivery of each age, and an address of callbacks that nobody has used for long
    webhook = make(api)
    ask(api, webhook)
    sql(
        "INSERT INTO webhooks (webhook_id, tenant_id, task_callback, url, created_at, updated_at)"
        " VALUES ('cb_1', 'acme', 1, 'https://x.example.com/', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
    )
    pass_time(15 * DAY + 10)
    young = ask(api, webhook)

    # WHEN it is swept
    assert sweep()["deleted"] == 2

    # THEN what is young stays, and so does the webhook
    assert [row["delivery_id"] for row in sql("SELECT delivery_id FROM webhook_deliveries")] == [young.delivery_id]
    assert [row["webhook_id"] for row in sql("SELECT webhook_id FROM webhooks")] == [webhook["webhook_id"]]


def test_a_deleted_webhook_goes_with_its_deliveries(api: Api, sql: Sql, sent: Sent) -> None:
    # GIVEN a webhook that was deleted
    webhook, other = make(api), make(api)
    for _ in range(3):
        ask(api, webhook)
    kept = ask(api, other)
    assert api("DELETE", f"{WEBHOOKS}/{webhook['webhook_id']}").status == 200
    assert sql("SELECT secret FROM webhooks WHERE webhook_id = %s", webhook["webhook_id"]) == [{"secret": None}]
    sent("deliver")

    # WHEN it is swept
    assert swept(sent) == [kept.delivery_id]

    # THEN nothing of it is left
    assert [row["webhook_id"] for row in sql("SELECT webhook_id FROM webhooks")] == [other["webhook_id"]]
    assert [row["delivery_id"] for row in sql("SELECT delivery_id FROM webhook_deliveries")] == [kept.delivery_id]


def test_deleting_ends_when_its_time_is_over(api: Api, sql: Sql, pass_time: PassTime) -> None:
    ask(api, make(api))
    pass_time(15 * DAY)
    assert sweep(seconds=-1)["deleted"] == 0
    assert sweep()["deleted"] == 1
