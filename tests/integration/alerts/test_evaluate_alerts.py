"""evaluate_alerts: what fires, escalates, is repeated, silenced and cleared; and that twice is once."""

import json
import os
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, NoCredentialsError

from alerts import evaluation, findings, notifying
from alerts.model import AlertSeverity
from longhaul import aws
from longhaul import database as longhaul_database
from longhaul.tasks import publication
from longhaul.tasks.model import Task
from longhaul.tasks.notices import Channel
from tests.calling import at_once
from tests.gateway import Api
from tests.integration.alerts.conftest import ALERTS, RULES, SILENCES

type Sql = Callable[..., list[dict[str, Any]]]
type Evaluate = Callable[[], dict[str, Any]]
type Running = Callable[..., Task]
type PassTime = Callable[[float], None]
type Published = Callable[[], list[dict[str, Any]]]

FIRING = "longhaul.alert.firing"


def types(published: Published) -> list[str]:
    return [notice["type"].removeprefix("longhaul.alert.") for notice in published()]


def listed(api: Api, query: str = "") -> list[tuple[str, str, str]]:
    return [(item["rule"], item["state"], item["severity"]) for item in api.get(ALERTS, query)["items"]]


def test_without_tasks_nothing_is_wrong(evaluate: Evaluate, api: Api, published: Published) -> None:
    assert evaluate() == {"found": 0, "changes": {}, "notified": 0}
    assert listed(api) == []
    assert published() == []


def test_a_task_that_runs_for_too_long_makes_one_alert_that_escalates_and_clears(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, other: Api, published: Published, sql: Sql
) -> None:
    # GIVEN a task that has just begun
    task = running_task()
    assert evaluate()["changes"] == {}

    # WHEN it has run for more than an hour
    pass_time(3_601)
    assert evaluate()["changes"] == {"firing": 1}

    # THEN there is one alert of it, published once, however often it is evaluated
    assert evaluate()["changes"] == {}
    [alert] = api.get(ALERTS)["items"]
    assert alert["rule"] == "running_long"
    assert alert["subject"] == alert["task_id"] == task.task_id
    assert (alert["kind"], alert["title"]) == (task.kind, task.title)
    assert (alert["state"], alert["severity"], alert["threshold"]) == ("firing", "warning", 3_600)
    assert 3_600 < alert["value"] < 4_200
    assert alert["message"] == f"{task.title}: runs for 1.0 h"
    [notice] = published()
    assert (notice["type"], notice["source"], notice["subject"]) == (FIRING, "/api/v1/alerts", alert["alert_id"])
    assert notice["tenantid"] == "acme"
    assert notice["data"]["task_id"] == task.task_id

    # AND another tenant does not see it
    assert listed(other) == []
    assert other("GET", f"{ALERTS}/{alert['alert_id']}").status == 404

    # WHEN it has run for two hours, critical replaces warning
    pass_time(3_600)
    assert evaluate()["changes"] == {"escalated": 1}
    assert evaluate()["changes"] == {}
    assert listed(api) == [("running_long", "firing", "critical")]
    assert types(published) == ["escalated"]

    # WHEN the task is deleted, its alert clears
    sql("DELETE FROM tasks")
    assert evaluate()["changes"] == {"resolved": 1}
    assert evaluate()["changes"] == {}
    assert listed(api) == [("running_long", "resolved", "critical")]
    assert types(published) == ["resolved"]
    history = api.get(f"{ALERTS}/{alert['alert_id']}")["history"]
    assert [happened["event"] for happened in history] == ["firing", "escalated", "resolved"]


def test_two_evaluations_at_once_are_one(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, published: Published, sql: Sql
) -> None:
    for number in range(3):
        running_task(province="广东省", tenant_id=f"tenant-{number}")
    pass_time(3_601)
    at_once(4, evaluate)
    assert sql("SELECT COUNT(*) AS number FROM alerts") == [{"number": 3}]
    assert sql("SELECT COUNT(*) AS number FROM alert_events") == [{"number": 3}]
    assert len({notice["id"] for notice in published()}) == 3

    # AND they clear once
    sql("UPDATE tasks SET status = 'SUCCEEDED'")
    at_once(4, evaluate)
    assert sql("SELECT COUNT(*) AS number FROM alert_events WHERE event = 'resolved'") == [{"number": 3}]


def test_who_has_seen_an_older_state_changes_nothing(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, sql: Sql, database: dict[str, Any]
) -> None:
    # GIVEN an alert as one evaluation has read it, that another has made critical and resolved since
    running_task()
    pass_time(3_601)
    evaluate()
    with longhaul_database.connection() as session:
        [seen] = evaluation.store.list_open(session)
    finding = findings.Finding(
        seen.tenant_id, seen.rule, seen.subject, AlertSeverity.CRITICAL, 8_000.0, 7_200.0, "m", seen.task_id
    )
    assert evaluation._go_on(seen, finding, False) == "escalated"
    assert evaluation._go_on(seen, finding, False) == ""
    assert evaluation._end(seen, False) == "resolved"

    # THEN what it goes on to do has no effect
    assert evaluation._end(seen, False) == ""
    assert evaluation._go_on(seen, finding, False) == ""
    events = [row["event"] for row in sql("SELECT event FROM alert_events ORDER BY id")]
    assert events == ["firing", "escalated", "resolved"]


def test_an_evaluator_that_dies_between_writing_and_telling_loses_nothing(
    evaluate: Evaluate,
    running_task: Running,
    pass_time: PassTime,
    published: Published,
    sent: Callable[[str], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a tenant to whose alerts webhooks listen
    running_task()
    pass_time(3_601)
    with longhaul_database.connection() as session:
        publication.listen(session, "acme", Channel.WEBHOOKS)

    # WHEN the evaluator is killed when it has written; and the next before it notes what it has sent
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(notifying, "_addressed", _killed)
        evaluate()
    assert published() == []
    assert evaluate()["notified"] == 0  # it may still be at it
    pass_time(60)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(notifying.store, "mark_sent", _killed)
        evaluate()
    pass_time(60)
    assert evaluate()["notified"] == 1

    # THEN it is published under one id, and no more when all is noted
    assert len({notice["id"] for notice in published()}) == 1
    notices = [one for message in sent("webhooks") for one in message["notices"]]
    assert len({one["notice"]["id"] for one in notices}) == 1
    assert evaluate()["notified"] == 0
    assert published() == []


def _killed(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


def test_while_the_topic_is_away_alerts_stay_unsent(
    evaluate: Evaluate,
    running_task: Running,
    pass_time: PassTime,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running_task()
    pass_time(3_601)
    with monkeypatch.context() as patch:
        patch.setenv("ALERTS_TOPIC", os.environ["ALERTS_TOPIC"] + "-gone")
        notifying.settings.of.cache_clear()
        assert evaluate()["notified"] == 0
    notifying.settings.of.cache_clear()
    pass_time(60)
    assert evaluate()["notified"] == 1
    assert types(published) == ["firing"]


@pytest.mark.parametrize(("away", "asked"), [(True, 1), (False, 3)])
def test_a_topic_that_fails_keeps_no_other_channel_from_its_notices(
    away: bool,
    asked: int,
    evaluate: Evaluate,
    running_task: Running,
    pass_time: PassTime,
    published: Published,
    sent: Callable[[str], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN alerts of more tenants than are notified of at once, and a topic that does not answer, or refuses
    tenants = ["acme", "initech", "umbrella"]
    for tenant in tenants:
        running_task(tenant_id=tenant)
        with longhaul_database.connection() as session:
            publication.listen(session, tenant, Channel.WEBHOOKS)
    pass_time(3_601)
    monkeypatch.setattr(notifying, "BATCH", 1)
    calls: list[str] = []

    def fail(**_: Any) -> None:
        calls.append("publish")
        raise ConnectTimeoutError(endpoint_url="https://sns") if away else NoCredentialsError

    events = aws.client("sns").meta.events
    events.register_first("before-send.sns.Publish", fail, unique_id="fail")
    try:
        assert evaluate()["notified"] == 0
    finally:
        events.unregister("before-send.sns.Publish", unique_id="fail")

    # THEN every tenant's webhooks are notified, and one that does not answer is asked once
    notices = [one for message in sent("webhooks") for one in message["notices"]]
    assert sorted(one["tenant_id"] for one in notices) == tenants
    assert len(calls) == asked

    # AND the topic is when it answers again
    pass_time(60)
    assert evaluate()["notified"] == 3
    assert len({notice["id"] for notice in published()}) == 3


def test_a_topic_that_hangs_leaves_time_to_notify_the_others() -> None:
    config = aws.client("sns").meta.config
    once = config.connect_timeout + config.read_timeout
    assert once * config.retries["total_max_attempts"] < evaluation.RESERVED_SECONDS / 2


def test_an_alert_is_repeated_after_four_hours_until_somebody_acknowledges_it(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, published: Published
) -> None:
    running_task()
    pass_time(7_300)
    evaluate()
    pass_time(4 * 3_600 - 60)
    assert evaluate()["changes"] == {}
    pass_time(60)
    assert evaluate()["changes"] == {"repeated": 1}
    assert evaluate()["changes"] == {}
    assert types(published) == ["firing", "repeated"]

    # WHEN it is acknowledged, twice, THEN that is published once, and it is repeated no more
    [alert] = api.get(ALERTS)["items"]
    for _ in range(2):
        answer = api("POST", f"{ALERTS}/{alert['alert_id']}/acknowledge")
        assert (answer.status, answer.body["acknowledged_by"]) == (200, "ada")
    pass_time(5 * 3_600)
    assert evaluate()["changes"] == {}
    assert types(published) == ["acknowledged"]


def test_an_acknowledged_warning_that_becomes_critical_is_nobodys_any_more(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api
) -> None:
    running_task()
    pass_time(3_601)
    evaluate()
    [alert] = api.get(ALERTS)["items"]
    api("POST", f"{ALERTS}/{alert['alert_id']}/acknowledge")
    pass_time(3_601)
    assert evaluate()["changes"] == {"escalated": 1}
    assert api.get(f"{ALERTS}/{alert['alert_id']}")["acknowledged_at"] is None


def test_a_silence_keeps_alerts_quiet_until_it_ends(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, other: Api, published: Published, sql: Sql
) -> None:
    # GIVEN a silence of the rule, and a task of another tenant
    running_task()
    running_task(tenant_id="umbrella")
    ends = "2099-01-01T00:00:00Z"
    assert api("POST", SILENCES, {"rule": "running_long", "ends_at": ends}).status == 422
    sql(
        "INSERT INTO alert_silences (silence_id, tenant_id, rule, user_id, ends_at, created_at) VALUES"
        " ('s', 'acme', 'running_long', 'ada', TIMESTAMPADD(SECOND, 5400, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6))"
    )

    # WHEN both run for too long, THEN only the other hears of it
    pass_time(3_601)
    assert evaluate()["changes"] == {"firing": 2}
    assert [notice["tenantid"] for notice in published()] == ["umbrella"]
    assert listed(api) == [("running_long", "firing", "warning")]
    [alert] = api.get(ALERTS)["items"]
    [fired] = api.get(f"{ALERTS}/{alert['alert_id']}")["history"]
    assert (fired["silenced"], alert["notified_at"]) == (True, None)

    # WHEN it ends and the task still runs, THEN it is published then
    pass_time(1_700)
    evaluate()
    assert published() == []
    pass_time(100)
    evaluate()
    assert [(notice["tenantid"], notice["type"]) for notice in published() if notice["tenantid"] == "acme"] == [
        ("acme", FIRING)
    ]


def test_an_escalation_within_a_silence_is_told_when_the_silence_ends(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, published: Published, sql: Sql
) -> None:
    # GIVEN a warning that was published, and a silence since
    running_task()
    pass_time(3_601)
    evaluate()
    assert types(published) == ["firing"]
    silence(sql, seconds=4_000)

    # WHEN it becomes critical within the silence
    pass_time(3_601)
    assert evaluate()["changes"] == {"escalated": 1}
    assert evaluate()["changes"] == {}
    assert types(published) == []
    [alert] = api.get(ALERTS)["items"]
    assert (alert["severity"], alert["notified_at"]) == ("critical", None)

    # THEN it is published once the silence has ended
    pass_time(400)
    assert evaluate()["changes"] == {"escalated": 1}
    assert evaluate()["changes"] == {}
    assert types(published) == ["escalated"]


def test_who_was_told_of_a_warning_hears_of_what_follows_an_escalation_within_a_silence(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, published: Published, sql: Sql
) -> None:
    running_task()
    pass_time(3_601)
    evaluate()
    silence(sql, seconds=7_200)
    pass_time(3_601)
    assert evaluate()["changes"] == {"escalated": 1}
    sql("DELETE FROM alert_silences")
    [alert] = api.get(ALERTS)["items"]
    assert api("POST", f"{ALERTS}/{alert['alert_id']}/acknowledge").status == 200
    sql("DELETE FROM tasks")
    assert evaluate()["changes"] == {"resolved": 1}
    assert types(published) == ["firing", "acknowledged", "resolved"]


def silence(sql: Sql, seconds: int) -> None:
    sql(
        "INSERT INTO alert_silences (silence_id, tenant_id, user_id, ends_at, created_at) VALUES"
        " ('s', 'acme', 'ada', TIMESTAMPADD(SECOND, %s, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6))", seconds
    )  # fmt: skip


def test_what_was_never_told_is_not_told_to_have_cleared(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, operator: Api, published: Published, sql: Sql
) -> None:
    # GIVEN a silence of everything, by the operator
    running_task()
    pass_time(3_601)
    ends = sql("SELECT DATE_FORMAT(TIMESTAMPADD(HOUR, 1, UTC_TIMESTAMP()), '%%Y-%%m-%%dT%%H:%%i:%%sZ') AS at")
    assert operator("POST", SILENCES, {"ends_at": ends[0]["at"]}, "all_tenants=true").status == 201
    evaluate()
    sql("DELETE FROM tasks")
    sql("DELETE FROM alert_silences")
    assert evaluate()["changes"] == {"resolved": 1}
    assert published() == []


def test_thresholds_of_a_tenant_are_its_own_and_of_the_operator_everybodys(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, other: Api, operator: Api
) -> None:
    # GIVEN two tenants' tasks that have run for a minute
    running_task()
    running_task(tenant_id="umbrella")
    pass_time(60)
    assert evaluate()["found"] == 0

    # WHEN one wants to know after 30 seconds
    assert api("PUT", f"{RULES}/running_long", {"warning": 30, "critical": None}).status == 200
    assert evaluate()["changes"] == {"firing": 1}
    assert listed(api) == [("running_long", "firing", "warning")]
    assert listed(other) == []

    # AND the operator lets all know after 40, critically
    body = {"warning": 40, "critical": 50}
    assert operator("PUT", f"{RULES}/running_long", body, "all_tenants=true").status == 200
    assert evaluate()["changes"] == {"firing": 1}
    assert listed(other) == [("running_long", "firing", "critical")]
    assert listed(api) == [("running_long", "firing", "warning")]

    # WHEN the tenant disables the rule, its alert clears
    assert api("PUT", f"{RULES}/running_long", {"warning": 30, "critical": None, "enabled": False}).status == 200
    assert evaluate()["changes"] == {"resolved": 1}


def test_many_tasks_at_once_fire_when_it_has_lasted(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, sql: Sql
) -> None:
    # GIVEN as many as may run, and a tenant that wants fewer
    running_task()
    assert api("PUT", f"{RULES}/running_count", {"warning": 0, "critical": 5, "hold_seconds": 60}).status == 200
    assert evaluate()["changes"] == {"pending": 1}
    assert listed(api) == [("running_count", "pending", "warning")]
    assert evaluate()["changes"] == {}

    # WHEN it passes at once, it was none
    sql("UPDATE tasks SET status = 'PAUSED'")
    assert evaluate()["changes"] == {"dropped": 1}
    assert listed(api) == []

    # WHEN it lasts
    sql("UPDATE tasks SET status = 'RUNNING'")
    evaluate()
    pass_time(61)
    assert evaluate()["changes"] == {"firing": 1}
    assert listed(api) == [("running_count", "firing", "warning")]


def test_tasks_that_could_run_and_do_not(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, sql: Sql
) -> None:
    task = running_task()
    sql("UPDATE tasks SET status = 'PENDING'")
    pass_time(1_700)
    assert evaluate()["found"] == 0
    pass_time(200)
    assert evaluate()["changes"] == {"firing": 1}
    [alert] = api.get(ALERTS)["items"]
    assert (alert["rule"], alert["subject"], alert["kind"]) == ("waiting_long", task.kind, task.kind)

    # One that is to start later does not wait
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(HOUR, 1, UTC_TIMESTAMP(6))")
    assert evaluate()["changes"] == {"resolved": 1}


@pytest.mark.parametrize(
    ("succeeded", "failed", "severity"),
    [(0, 19, None), (19, 2, None), (17, 3, "warning"), (15, 5, "critical"), (0, 1, None)],
)
def test_a_share_of_failures_is_judged_from_twenty_ended_tasks_on(
    succeeded: int, failed: int, severity: str | None, evaluate: Evaluate, api: Api, sql: Sql
) -> None:
    for event, number in (("succeeded", succeeded), ("failed", failed)):
        for tenant in ("acme", ""):
            sql(
                "INSERT INTO task_rollups"
                " (tenant_id, span, start, kind, event, bucket, number, microseconds, units, best)"
                " VALUES (%s, 60, UNIX_TIMESTAMP() DIV 3600 * 60, 'k', %s, 1, %s, 0, 0, 0)",
                tenant, event, number,
            )  # fmt: skip
    evaluate()
    assert listed(api) == ([("failed_share", "firing", severity)] if severity else [])


def test_of_a_rule_and_tenant_so_many_subjects_have_alerts_and_the_rest_one_together(
    evaluate: Evaluate,
    running_task: Running,
    pass_time: PassTime,
    api: Api,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(findings, "MAX_SUBJECTS", 2)
    for number in range(4):
        running_task(province=("广东省", "江苏省", "浙江省", "山东省")[number])
    pass_time(3_601)
    assert evaluate()["changes"] == {"firing": 3}
    messages = {item["subject"]: item["message"] for item in api.get(ALERTS)["items"]}
    assert messages["*"].startswith("2 more than the 2 that have alerts of their own")
    sql("DELETE FROM tasks")
    assert evaluate()["changes"] == {"resolved": 3}


def test_an_alert_keeps_its_place_when_others_have_greater_values(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN as many alerts as a rule may have, and one task more
    monkeypatch.setattr(findings, "MAX_SUBJECTS", 2)
    tasks = [running_task(province=province).task_id for province in ("广东省", "江苏省", "浙江省")]
    for seconds, task_id in zip((6_000, 5_000, 4_000), tasks, strict=True):
        sql("UPDATE tasks SET started_at = TIMESTAMPADD(SECOND, -%s, started_at) WHERE task_id = %s", seconds, task_id)
    assert evaluate()["changes"] == {"firing": 3}

    # WHEN that one runs for longer than the others
    sql("UPDATE tasks SET started_at = TIMESTAMPADD(SECOND, -2500, started_at) WHERE task_id = %s", tasks[2])

    # THEN no alert ends and none begins
    assert evaluate()["changes"] == {}
    assert {item["subject"] for item in api.get(ALERTS)["items"]} == {*tasks[:2], "*"}


def test_a_disabled_webhook_is_an_alert(evaluate: Evaluate, api: Api, sql: Sql) -> None:
    sql(
        "INSERT INTO webhooks (webhook_id, tenant_id, url, disabled_at, disabled_reason, created_at, updated_at) VALUES"
        " ('wh_1', 'acme', 'https://a', UTC_TIMESTAMP(6), 'gone', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
    )
    assert evaluate()["changes"] == {"firing": 1}
    [alert] = api.get(ALERTS)["items"]
    assert (alert["rule"], alert["subject"], alert["severity"]) == ("webhook_disabled", "wh_1", "warning")
    sql("UPDATE webhooks SET disabled_at = NULL")
    assert evaluate()["changes"] == {"resolved": 1}


def test_what_is_spent_of_a_budget_also_while_the_task_is_paused(
    evaluate: Evaluate, running_task: Running, api: Api, sql: Sql
) -> None:
    task = running_task()
    sql("UPDATE tasks SET params = '{\"max_cost\": 2.5}', status = 'PAUSED'")
    sql("INSERT INTO task_spending (task_id, spent) VALUES (%s, 1.9)", task.task_id)
    assert evaluate()["found"] == 0
    sql("UPDATE task_spending SET spent = 2.1")
    assert evaluate()["changes"] == {"firing": 1}
    [alert] = api.get(ALERTS)["items"]
    assert (alert["rule"], alert["task_id"], alert["value"]) == ("budget", task.task_id, pytest.approx(0.84))

    # AND of a budget that was raised since, or taken away
    for max_cost, changes in (("10", {"resolved": 1}), ("2.2", {"firing": 1}), ("NULL", {"resolved": 1})):
        sql(f"UPDATE task_spending SET budget_changed = 1, max_cost = {max_cost}")
        assert evaluate()["changes"] == changes

    # AND of a diagnosis
    sql("DELETE FROM task_spending")
    sql(
        "INSERT INTO diagnoses (task_id, max_cost, created_at, updated_at)"
        " VALUES (%s, 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))", task.task_id
    )  # fmt: skip
    sql(
        "INSERT INTO diagnosis_cells (task_id, cell_key, asked_by, cost) VALUES (%s, 'q', %s, 0.96)",
        *[task.task_id] * 2,
    )
    assert evaluate()["changes"] == {"firing": 1}


@pytest.mark.parametrize("of_diagnosis", [False, True])
def test_a_budget_with_an_alert_is_looked_at_wherever_its_task_stands(
    of_diagnosis: bool, evaluate: Evaluate, running_task: Running, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an alert of a task's budget
    monkeypatch.setattr(findings, "LOOKED_AT", 1)
    task = running_task()
    if of_diagnosis:
        sql(
            "INSERT INTO diagnoses (task_id, max_cost, created_at, updated_at)"
            " VALUES (%s, 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))", task.task_id
        )  # fmt: skip
        sql("INSERT INTO diagnosis_cells (task_id, cell_key, asked_by, cost) VALUES (%s, 'q', 'a', 0.9)", task.task_id)
    else:
        sql("UPDATE tasks SET params = '{\"max_cost\": 1}'")
        sql("INSERT INTO task_spending (task_id, spent) VALUES (%s, 0.9)", task.task_id)
    assert evaluate()["changes"] == {"firing": 1}

    # WHEN another task is to end before it, and only one is looked at
    running_task(province="江苏省")
    sql("UPDATE tasks SET deadline = TIMESTAMPADD(HOUR, 1, deadline) WHERE task_id = %s", task.task_id)
    assert evaluate()["changes"] == {}

    # THEN its alert clears when it has ended, and not before
    sql("UPDATE tasks SET status = 'SUCCEEDED' WHERE task_id = %s", task.task_id)
    assert evaluate()["changes"] == {"resolved": 1}


def test_many_tasks_of_a_kind_that_wait_hide_no_other_kind(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN waiting tasks of three kinds, of each of which one is looked at
    monkeypatch.setattr(findings, "MAX_LATE", 1)
    kinds = {"hospital_full_refresh": "广东省", "hospital_province_refresh": "江苏省", "role_creation": "浙江省"}
    tasks = {kind: running_task(province=province).task_id for kind, province in kinds.items()}
    for kind, task_id in tasks.items():
        sql("UPDATE tasks SET kind = %s, status = 'PENDING' WHERE task_id = %s", kind, task_id)
    pass_time(3_600)
    evaluate()
    found = {item["subject"] for item in api.get(ALERTS)["items"] if item["rule"] == "waiting_long"}
    assert found == set(kinds)


def test_rules_of_a_newer_version_are_left_alone(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, sql: Sql
) -> None:
    # GIVEN an open alert and a silence of a rule that this version does not know, as after a rollback
    sql(
        "INSERT INTO alerts (alert_id, tenant_id, rule, subject, open, state, severity, value, threshold, message,"
        " created_at, updated_at) VALUES (%s, 'acme', 'of_tomorrow', '', 1, 'firing', 'warning', 1, 0, 'm',"
        " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))", (alert_id := f"alert_{7:032x}"),
    )  # fmt: skip
    silence(sql, seconds=7_200)
    sql("UPDATE alert_silences SET rule = 'of_tomorrow'")

    # THEN alerts of the others fire, and nothing becomes of it
    running_task()
    pass_time(3_601)
    assert evaluate() == {"found": 1, "changes": {"firing": 1}, "notified": 1}
    assert listed(api) == [("running_long", "firing", "warning")]
    assert api("GET", f"{ALERTS}/{alert_id}").status == 404
    assert api.get(SILENCES)["items"] == []
    assert sql("SELECT open FROM alerts WHERE rule = 'of_tomorrow'") == [{"open": 1}]


def test_a_silence_holds_however_many_there_are(
    evaluate: Evaluate,
    running_task: Running,
    pass_time: PassTime,
    published: Published,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN many silences of other tenants and subjects, and the operator's, which ends last
    monkeypatch.setattr(evaluation.store, "PAGE", 2)
    others = [("acme", "budget", None), ("acme", None, "x"), ("", "budget", None), ("initech", "running_long", None)]
    others += [("umbrella", None, None)] * 20
    for number, (tenant, rule, subject) in enumerate([*others, ("", "running_long", None)]):
        sql(
            "INSERT INTO alert_silences (silence_id, tenant_id, rule, subject, user_id, ends_at, created_at)"
            " VALUES (%s, %s, %s, %s, 'ada', TIMESTAMPADD(SECOND, %s, UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6))",
            f"s{number}", tenant, rule, subject, 7_200 + number,
        )  # fmt: skip
    running_task()
    pass_time(3_601)
    assert evaluate()["changes"] == {"firing": 1}
    assert published() == []

    # WHEN that one is gone, THEN none of the others covers the alert
    sql("DELETE FROM alert_silences WHERE silence_id = 's24'")
    assert evaluate()["changes"] == {"firing": 1}
    assert types(published) == ["firing"]


def test_dead_letters_are_the_operators(
    evaluate: Evaluate, api: Api, operator: Api, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs = boto3.client("sqs")
    dead = sqs.get_queue_url(QueueName="progress-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="{}")
    assert evaluate()["changes"] == {"firing": 1}
    assert listed(api) == []
    [alert] = operator.get(ALERTS, "all_tenants=true")["items"]
    assert (alert["rule"], alert["subject"], alert["tenant_id"]) == ("dead_letters", "Progress", None)
    assert types(published) == ["firing"]

    # While they cannot be counted, nothing is known
    with monkeypatch.context() as patch:
        patch.setattr("alerts.dead_letters.count_all", lambda: None)
        assert evaluate()["changes"] == {}
    sqs.purge_queue(QueueUrl=dead)
    assert evaluate()["changes"] == {"resolved": 1}


def test_what_was_resolved_long_ago_is_deleted(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, sql: Sql
) -> None:
    running_task()
    pass_time(3_601)
    evaluate()
    sql("DELETE FROM tasks")
    evaluate()
    pass_time(91 * 86_400)
    evaluate()
    assert sql("SELECT 1 FROM alerts UNION ALL SELECT 1 FROM alert_events") == []


def test_an_evaluation_tells_that_it_is_alive_and_what_there_is_of_each_kind(
    evaluate: Evaluate, running_task: Running, capsys: pytest.CaptureFixture[str], sql: Sql
) -> None:
    running_task()
    sql(
        "INSERT INTO task_rollups (tenant_id, span, start, kind, event, bucket, number, microseconds, units, best)"
        " VALUES ('', 1, UNIX_TIMESTAMP() DIV 60 - 2, 'role_creation', 'failed', 1, 3, 0, 0, 0)"
    )
    capsys.readouterr()
    evaluate()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    emitted = {line.get("kind"): line for line in lines}
    assert emitted[None]["AlertsEvaluated"] == [1.0]
    assert emitted[None]["service"] == "longhaul"
    assert emitted[None]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert emitted["hospital_province_refresh"]["TasksRunning"] == [1.0]
    assert sorted(emitted["role_creation"]["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]) == ["kind", "service"]
    assert emitted["role_creation"]["TasksFailed"] == [3.0]


def test_an_evaluation_that_has_no_time_goes_on_with_the_next(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_task()
    pass_time(3_601)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "RESERVED_SECONDS", 1e9)
        assert evaluate()["changes"] == {}
    assert evaluate()["changes"] == {"firing": 1}

    # AND so it is with what ends
    sql("DELETE FROM tasks")
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "RESERVED_SECONDS", 1e9)
        assert evaluate()["changes"] == {}
    assert evaluate()["changes"] == {"resolved": 1}


def test_with_little_time_alerts_open_first_then_end_and_then_have_new_values(
    evaluate: Evaluate, running_task: Running, pass_time: PassTime, api: Api, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN alerts whose values grow, one whose task is gone, and a disabled webhook, whose rule is a later one
    for province in ("广东省", "江苏省", "浙江省"):
        task = running_task(province=province)
    pass_time(3_601)
    assert evaluate()["changes"] == {"firing": 3}
    before = values(api)
    pass_time(60)
    sql("DELETE FROM tasks WHERE task_id = %s", task.task_id)
    sql(
        "INSERT INTO webhooks (webhook_id, tenant_id, url, disabled_at, disabled_reason, created_at, updated_at) VALUES"
        " ('wh_1', 'acme', 'https://a', UTC_TIMESTAMP(6), 'gone', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
    )

    # WHEN there is time for one of them in each evaluation
    def evaluate_one() -> Any:
        left = iter([evaluation.RESERVED_SECONDS + 1])
        with monkeypatch.context() as patch:
            patch.setattr(evaluation.lifetime, "seconds_left", lambda: next(left, 0.0))
            return evaluate()["changes"]

    # THEN it is for what changes
    assert evaluate_one() == {"firing": 1}
    assert evaluate_one() == {"resolved": 1}
    assert {task_id: value for task_id, value in values(api).items() if task_id in before} == before

    # AND then for values, each in its turn
    for _ in range(2):
        assert evaluate_one() == {}
    del before[task.task_id]
    assert all(values(api)[task_id] > value + 50 for task_id, value in before.items())


def values(api: Api) -> dict[str, float]:
    return {item["subject"]: item["value"] for item in api.get(ALERTS, "")["items"]}
