"""The rows of alerts, of what happened to them, of rules and of silences, by the statements of queries.sql."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alerts.model import (
    Alert,
    AlertEvent,
    AlertRule,
    AlertSeverity,
    AlertState,
    Finding,
    Happened,
    Silence,
    Silences,
    Thresholds,
)
from longhaul.database import Session, queries
from longhaul.database.chunks import chunks
from longhaul.tasks.model import aware
from longhaul.tasks.store import sql_time

_queries = queries.load(__file__)

RULES = list(AlertRule)
PAGE = 1_000
LAST_ID = 2**62  # more than any row's
MAX_HISTORY = 200  # events of an alert that are shown

type Own = dict[tuple[str, AlertRule], Thresholds]
"""Thresholds by tenant and rule, where they are not those built in."""


# --------------------------------------------------------------------------------------------------------- alerts


def list_open(session: Session) -> list[Alert]:
    """Here and below: of the rules that this version knows. Others are another version's."""
    found: list[Alert] = []
    while True:
        rows = _queries.list_open(session, rules=RULES, after_id=found[-1].id if found else 0, limit=PAGE)
        found += [Alert.from_row(row) for row in rows]
        if len(rows) < PAGE:
            return found


def open_alert(tx: Session, finding: Finding, state: AlertState, *, notify: bool) -> str | None:
    """The new alert's id; None where one of this rule and subject is open."""
    alert_id = f"alert_{secrets.token_hex(16)}"
    added = _queries.open_alert(
        tx,
        alert_id=alert_id,
        tenant_id=finding.tenant_id,
        rule=finding.rule,
        subject=finding.subject,
        state=state,
        severity=finding.severity,
        threshold=finding.threshold,
        task_id=finding.task_id,
        kind=finding.kind,
        title=finding.title,
        notify=notify,
        **_seen(finding),
    )
    return alert_id if added else None


def fire(tx: Session, alert_id: str, finding: Finding, *, notify: bool) -> bool:
    """Here and below: whether it was as expected, so that of two at once one has changed it."""
    severity, threshold = finding.severity, finding.threshold
    return bool(
        _queries.fire(tx, alert_id=alert_id, severity=severity, threshold=threshold, notify=notify, **_seen(finding))
    )


def escalate(tx: Session, alert_id: str, finding: Finding, *, notify: bool) -> bool:
    return bool(_queries.escalate(tx, alert_id=alert_id, threshold=finding.threshold, notify=notify, **_seen(finding)))


def notify_again(tx: Session, alert: Alert, finding: Finding) -> bool:
    notified_at = alert.notified_at and sql_time(alert.notified_at)
    return bool(_queries.notify_again(tx, alert_id=alert.alert_id, notified_at=notified_at, **_seen(finding)))


def keep_up(session: Session, alert_id: str, finding: Finding) -> None:
    _queries.keep_up(session, alert_id=alert_id, **_seen(finding))


def resolve(tx: Session, alert_id: str) -> bool:
    return bool(_queries.resolve(tx, alert_id=alert_id))


def drop_pending(session: Session, alert_id: str) -> None:
    _queries.drop_pending(session, alert_id=alert_id)


def acknowledge(tx: Session, alert_id: str, user_id: str) -> bool:
    return bool(_queries.acknowledge(tx, alert_id=alert_id, user_id=user_id))


def add_event(
    tx: Session, alert_id: str, event: AlertEvent, *, notify: bool, silenced: bool = False, user_id: str | None = None
) -> None:
    _queries.add_event(tx, alert_id=alert_id, event=event, notify=notify, silenced=silenced, user_id=user_id)


def purge(session: Session, days: int, limit: int) -> int:
    alerts = int(_queries.purge_alerts(session, days=days, limit=limit))
    return alerts + int(_queries.purge_silences(session, days=days, limit=limit))


# --------------------------------------------------------------------------------------------------------- telling


def claim_unsent(session: Session, seconds: int, limit: int) -> list[dict[str, Any]]:
    """Events that listeners are to be notified of, nobody else's for so long, with their alerts."""
    ids = [
        row["id"]
        for row in _queries.list_unsent(session, limit=limit)
        if _queries.claim_event(session, id=row["id"], seconds=seconds)
    ]
    return [row | {"created_at": aware(row["created_at"])} for row in _queries.list_claimed(session, ids=ids or [0])]


def mark_sent(session: Session, ids: Sequence[int]) -> None:
    _queries.mark_sent(session, ids=list(ids))


# --------------------------------------------------------------------------------------------------------- reading


def list_alerts(
    session: Session,
    tenant_id: str | None,
    *,
    states: Sequence[AlertState],
    rules: Sequence[AlertRule],
    severities: Sequence[AlertSeverity],
    before_id: int,
    limit: int,
) -> list[Alert]:
    """The newest first; of every tenant where `tenant_id` is None."""
    chosen: dict[str, Any] = {
        "states": list(states), "rules": list(rules), "severities": list(severities), "before_id": before_id,
        "limit": limit,
    }  # fmt: skip
    if tenant_id is None:
        rows = _queries.list_alerts_of_all(session, **chosen)
    else:
        rows = _queries.list_alerts(session, tenant_id=tenant_id, **chosen)
    return [Alert.from_row(row) for row in rows]


def fetch_alert(session: Session, tenant_id: str | None, alert_id: str) -> Alert | None:
    of: dict[str, Any] = {"tenant_id": tenant_id or "", "any_tenant": tenant_id is None, "rules": RULES}
    row = _queries.fetch_alert(session, alert_id=alert_id, **of)
    return Alert.from_row(row) if row else None


def list_events(session: Session, alert_id: str) -> list[Happened]:
    """The newest MAX_HISTORY, the oldest of them first."""
    rows = _queries.list_events(session, alert_id=alert_id, limit=MAX_HISTORY)
    return [Happened.from_row(row) for row in reversed(rows)]


# ----------------------------------------------------------------------------------------------------------- rules


def list_rules(session: Session) -> Own:
    """Of every tenant."""
    return _own(_queries.list_rules(session))


def list_rules_of(session: Session, tenant_id: str) -> Own:
    """The tenant's, and the operator's."""
    return _own(_queries.list_rules_of(session, tenant_id=tenant_id))


def lock_rules(tx: Session, tenant_id: str) -> Own:
    return _own(_queries.lock_rules(tx, tenant_id=tenant_id))


def put_rule(tx: Session, tenant_id: str, rule: AlertRule, given: Thresholds) -> None:
    _queries.put_rule(
        tx,
        tenant_id=tenant_id,
        rule=rule,
        enabled=given.enabled,
        warning=given.warning,
        critical=given.critical,
        hold_seconds=given.hold_seconds,
    )


def delete_rule(tx: Session, tenant_id: str, rule: AlertRule) -> None:
    _queries.delete_rule(tx, tenant_id=tenant_id, rule=rule)


# -------------------------------------------------------------------------------------------------------- silences


def insert_silence(
    tx: Session,
    silence_id: str,
    tenant_id: str,
    user_id: str,
    *,
    rule: AlertRule | None,
    subject: str | None,
    comment: str | None,
    ends_at: datetime,
) -> None:
    _queries.insert_silence(
        tx,
        silence_id=silence_id,
        tenant_id=tenant_id,
        user_id=user_id,
        rule=rule,
        subject=subject,
        comment=comment,
        ends_at=sql_time(ends_at),
    )


def count_silences(tx: Session, tenant_id: str) -> int:
    number: int = _queries.count_silences(tx, tenant_id=tenant_id)
    return number


def list_silences(session: Session, tenant_id: str, before_id: int, limit: int) -> list[Silence]:
    rows = _queries.list_silences(session, tenant_id=tenant_id, rules=RULES, before_id=before_id, limit=limit)
    return [Silence.from_row(row) for row in rows]


def list_silences_now(session: Session) -> Silences:
    """Those that have not ended, of every tenant."""
    covered: set[tuple[str, str | None, str | None]] = set()
    after_id = 0
    while rows := _queries.list_silences_now(session, rules=RULES, after_id=after_id, limit=PAGE):
        covered |= {(row["tenant_id"], row["rule"], row["subject"]) for row in rows}
        after_id = rows[-1]["id"]
    return Silences(covered)


def fetch_silence(session: Session, tenant_id: str, silence_id: str) -> Silence | None:
    row = _queries.fetch_silence(session, silence_id=silence_id, tenant_id=tenant_id)
    return Silence.from_row(row) if row else None


def delete_silence(tx: Session, tenant_id: str, silence_id: str) -> bool:
    return bool(_queries.delete_silence(tx, silence_id=silence_id, tenant_id=tenant_id))


def list_tasks_named(session: Session, task_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Of those that are there: task_id, status and error_message."""
    return [row for some in chunks(task_ids) for row in _queries.list_tasks_named(session, task_ids=some)]


def _own(rows: Sequence[dict[str, Any]]) -> Own:
    return {
        (row["tenant_id"], AlertRule(row["rule"])): Thresholds.from_row(row) for row in rows if row["rule"] in RULES
    }


def _seen(finding: Finding) -> dict[str, Any]:
    return {"value": finding.value, "message": finding.message}
