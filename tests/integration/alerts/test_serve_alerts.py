"""serve_alerts: pages, filters, versions, scopes and refusals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts import board
from tests.gateway import Api
from tests.integration.alerts.conftest import ALERTS, RULES, SERVED, SILENCES

type Sql = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def alerts(sql: Sql) -> Callable[..., str]:
    """Makes an alert, and returns its id."""
    made = 0

    def make(tenant: str = "acme", rule: str = "running_long", severity: str = "warning", state: str = "firing") -> str:
        nonlocal made
        made += 1
        alert_id = f"alert_{made:032x}"
        sql(
            "INSERT INTO alerts (alert_id, tenant_id, rule, subject, open, state, severity, value, threshold, message,"
            " created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 2, 1, 'm', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
            alert_id, tenant, rule, str(made), None if state == "resolved" else 1, state, severity,
        )  # fmt: skip
        return alert_id

    return make


def ids(page: dict[str, Any]) -> list[str]:
    return [item["alert_id"] for item in page["items"]]


def soon(**ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="seconds").replace("+00:00", "Z")


def test_alerts_are_listed_by_the_page_the_newest_first(api: Api, alerts: Callable[..., str]) -> None:
    made = [alerts() for _ in range(5)]
    alerts("umbrella")
    first = api.get(ALERTS, "limit=3")
    assert ids(first) == made[:1:-1]
    second = api.get(ALERTS, f"limit=3&cursor={first['next_cursor']}")
    assert (ids(second), second["next_cursor"]) == (made[1::-1], None)

    # A cursor is of its own list only
    other_filter = api("GET", ALERTS, query=f"state=firing&cursor={first['next_cursor']}")
    assert (other_filter.status, other_filter.body["code"]) == (400, "invalid_cursor")


def test_filters_choose(api: Api, alerts: Callable[..., str]) -> None:
    a, b, c = alerts(), alerts(rule="budget", severity="critical"), alerts(state="resolved")
    assert ids(api.get(ALERTS, "state=firing")) == [b, a]
    assert ids(api.get(ALERTS, "rule=budget")) == [b]
    assert ids(api.get(ALERTS, "severity=warning&state=resolved")) == [c]
    assert api("GET", ALERTS, query="state=gone").status == 400
    assert api("GET", ALERTS, query="unknown=1").status == 400


def test_a_tenant_sees_its_own_and_operators_all(
    api: Api, other: Api, operator: Api, alerts: Callable[..., str]
) -> None:
    mine, theirs, ours = alerts(), alerts("umbrella"), alerts("")
    assert (ids(api.get(ALERTS)), ids(other.get(ALERTS))) == ([mine], [theirs])
    assert ids(operator.get(ALERTS, "all_tenants=true")) == [ours, theirs, mine]
    assert api("GET", ALERTS, query="all_tenants=true").status == 403
    assert other("GET", f"{ALERTS}/{mine}").status == 404
    assert other("POST", f"{ALERTS}/{mine}/acknowledge").status == 404
    assert operator.get(f"{ALERTS}/{ours}", "all_tenants=true")["tenant_id"] is None
    assert operator("POST", f"{ALERTS}/{theirs}/acknowledge", query="all_tenants=true").status == 200


def test_an_alert_that_has_not_changed_is_not_sent_again(api: Api, alerts: Callable[..., str]) -> None:
    path = f"{ALERTS}/{alerts()}"
    etag = api("GET", path).headers["ETag"]
    assert api("GET", path, if_none_match=etag).status == 304
    api("POST", f"{path}/acknowledge")
    assert api("GET", path, if_none_match=etag).status == 200


def test_only_what_fires_can_be_acknowledged_and_a_key_is_good_for_once(api: Api, alerts: Callable[..., str]) -> None:
    resolved = api("POST", f"{ALERTS}/{alerts(state='resolved')}/acknowledge")
    assert (resolved.status, resolved.body["code"]) == (409, "alert_not_firing")
    path = f"{ALERTS}/{alerts()}/acknowledge"
    first = api("POST", path, idempotency_key="k")
    again = api("POST", path, idempotency_key="k")
    assert first.body == again.body
    assert again.headers["Idempotency-Replayed"] == "true"


def test_rules_have_the_thresholds_that_hold(api: Api, operator: Api) -> None:
    # As built in
    items = {item["rule"]: item for item in api.get(RULES)["items"]}
    assert "dead_letters" not in items
    running = items["running_long"]
    assert (running["warning"], running["critical"], running["unit"]) == (3_600, 7_200, "seconds")
    assert (running["origin"], running["updated_at"]) == ("built_in", None)
    assert (items["failed_share"]["warning"], items["failed_share"]["critical"]) == (0.1, 0.2)
    assert (items["running_count"]["warning"], items["running_count"]["critical"]) == (8, 10)
    assert "dead_letters" in {item["rule"] for item in operator.get(RULES, "all_tenants=true")["items"]}

    # The operator's, then one's own, then the operator's again
    path = f"{RULES}/running_long"
    assert operator("PUT", path, {"warning": 60, "critical": None}, "all_tenants=true").status == 200
    assert (api.get(path)["warning"], api.get(path)["origin"]) == (60, "operator")
    assert api("PUT", path, {"warning": 30, "critical": 40, "hold_seconds": 5}).body["origin"] == "own"
    assert (api.get(path)["critical"], api.get(path)["hold_seconds"]) == (40, 5)
    assert operator.get(path, "all_tenants=true")["warning"] == 60
    assert api("DELETE", path).body["warning"] == 60


def test_a_rule_that_somebody_has_changed_is_not_overwritten(api: Api) -> None:
    path = f"{RULES}/budget"
    seen = api("GET", path).headers["ETag"]
    assert api("PUT", path, {"warning": 0.5, "critical": 0.9}, if_match=seen).status == 200
    assert api("PUT", path, {"warning": 0.6, "critical": 0.9}, if_match=seen).status == 412
    assert api("DELETE", path, if_match=seen).status == 412
    assert api.get(path)["warning"] == 0.5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"warning": 5, "critical": 4},
        {"warning": -1, "critical": None},
        {"warning": 1, "critical": None, "hold_seconds": -1},
        {"warning": 1, "critical": None, "extra": 1},
    ],
)
def test_thresholds_that_make_no_sense_are_refused(api: Api, body: dict[str, Any]) -> None:
    assert api("PUT", f"{RULES}/budget", body).status == 422


def test_rules_that_are_not_ones_own(api: Api) -> None:
    assert api("GET", f"{RULES}/dead_letters").status == 404
    assert api("PUT", f"{RULES}/dead_letters", {"warning": 1, "critical": None}).status == 404
    assert api("GET", f"{RULES}/running_long", query="all_tenants=true").status == 403
    assert api("GET", f"{RULES}/no_such_rule").status in (400, 404)


def test_silences_are_made_listed_and_ended(api: Api, other: Api) -> None:
    given = {"rule": "running_long", "subject": "t-1", "comment": "a release", "ends_at": soon(hours=1)}
    made = api("POST", SILENCES, given, idempotency_key="k")
    assert made.status == 201
    assert {name: made.body[name] for name in ("rule", "subject", "comment", "created_by")} == {
        "rule": "running_long", "subject": "t-1", "comment": "a release", "created_by": "ada",
    }  # fmt: skip
    assert api("POST", SILENCES, given, idempotency_key="k").body == made.body
    second = api("POST", SILENCES, {"ends_at": soon(hours=1)}).body

    page = api.get(SILENCES, "limit=1")
    assert [item["silence_id"] for item in page["items"]] == [second["silence_id"]]
    page = api.get(SILENCES, f"limit=1&cursor={page['next_cursor']}")
    assert ([item["silence_id"] for item in page["items"]], page["next_cursor"]) == ([made.body["silence_id"]], None)

    path = f"{SILENCES}/{made.body['silence_id']}"
    assert other("DELETE", path).status == 404
    assert api("DELETE", path).status == 200
    assert api("DELETE", path).status == 404


def test_a_silence_ends_within_ninety_days_and_a_tenant_has_so_many(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for ends_at in (soon(hours=-1), soon(days=91)):
        refused = api("POST", SILENCES, {"ends_at": ends_at})
        assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, "/ends_at")
    monkeypatch.setattr(board, "MAX_SILENCES", 1)
    assert api("POST", SILENCES, {"ends_at": soon(hours=1)}).status == 201
    refused = api("POST", SILENCES, {"ends_at": soon(hours=1)})
    assert (refused.status, refused.body["code"]) == (409, "too_many_silences")


def test_reading_takes_the_scope_to_read_and_changing_the_scope_to_write(database: dict[str, Any]) -> None:
    reader = Api(scope="tasks:read", functions=SERVED)
    assert reader("GET", ALERTS).status == 200
    assert reader("PUT", f"{RULES}/budget", {"warning": 1, "critical": None}).status == 403
    assert reader("POST", SILENCES, {"ends_at": soon(hours=1)}).status == 403
