"""Evaluation: once a minute what is found is held against the alerts that are open.

    found, and none open    -> pending, or firing at once
    pending for long enough -> firing
    firing, now critical    -> escalated; a severity never falls while the alert is open, so that it cannot flap
    firing for 4 h          -> repeated, unless somebody has acknowledged it
    not found any more      -> resolved; a pending one was none, and is gone

Each change is a transaction of its own: the alert, changed only from the state it was seen in, and the event that is to
be published. So two evaluations at once are one. When one is killed, the next goes on with what is left.

New values of alerts that otherwise stay as they are come last: there may be thousands each minute, and the time of an
evaluation has an end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from alerts import store
from alerts.findings import Limits, find
from alerts.model import (
    KEPT_DAYS,
    REPEAT_SECONDS,
    Alert,
    AlertEvent,
    AlertRule,
    AlertSeverity,
    AlertState,
    Finding,
    Silences,
)
from longhaul import database, lifetime
from longhaul.database import Session
from longhaul.observability import logger

PURGED = 1_000  # rows an evaluation
RESERVED_SECONDS = 20.0  # of the function's time, to notify and to say that it is alive


class Evaluated(NamedTuple):
    """How many values pass a threshold, and what has changed."""

    found: int
    changes: Counter[str]


def evaluate(dead_letters: dict[str, int] | None) -> Evaluated:
    """`dead_letters`: how many each queue has; None: they cannot be read now, and their alerts stay as they are.

    Raises DatabaseUnavailable.
    """
    with database.connection() as session:
        limits = Limits(store.list_rules(session))
        was_open = store.list_open(session)
        silences = store.list_silences_now(session)
    findings = find(limits, was_open, dead_letters or {})
    seen = [alert for alert in was_open if alert.rule != AlertRule.DEAD_LETTERS or dead_letters is not None]
    changes = Counter[str]()
    for step in _steps(findings, seen, silences):
        if lifetime.seconds_left() < RESERVED_SECONDS:
            logger.warning("alerts not evaluated in time, the next evaluation goes on", extra={"found": len(findings)})
            break
        changes[step()] += 1
    changes.pop("", None)
    with database.connection() as session:
        store.purge(session, KEPT_DAYS, PURGED)
    if changes:
        logger.info("alerts have changed", extra={"changes": dict(changes), "found": len(findings)})
    return Evaluated(len(findings), changes)


def _steps(findings: Sequence[Finding], was_open: Sequence[Alert], silences: Silences) -> Iterator[Callable[[], str]]:
    """What to do, and in which order: alerts that open, fire or escalate; those that end; values, the oldest first."""
    still, by_key = {finding.key for finding in findings}, {alert.key: alert for alert in was_open}
    values: list[tuple[Alert, Finding]] = []
    for finding in findings:
        silenced, alert = silences.cover(finding), by_key.get(finding.key)
        if alert is None:
            yield partial(_open, finding, silenced)
        elif _due(alert, finding, silenced):
            yield partial(_go_on, alert, finding, silenced)
        elif alert.state == AlertState.FIRING and alert.value != finding.value:
            values.append((alert, finding))
    for alert in was_open:
        if alert.key not in still:
            yield partial(_end, alert, silences.cover(alert))
    for alert, finding in sorted(values, key=lambda one: one[0].updated_at):
        yield partial(_keep_up, alert, finding)


def _open(finding: Finding, silenced: bool) -> str:
    """Here and below: what happened, empty for nothing."""
    state = AlertState.PENDING if finding.hold_seconds else AlertState.FIRING
    notify = state == AlertState.FIRING and not silenced

    def write(tx: Session) -> str:
        alert_id = store.open_alert(tx, finding, state, notify=notify)
        if alert_id is None:
            return ""
        if state == AlertState.FIRING:
            store.add_event(tx, alert_id, AlertEvent.FIRING, notify=notify, silenced=silenced)
        return state

    return database.run_transaction(write)


def _due(alert: Alert, finding: Finding, silenced: bool) -> AlertEvent | None:
    """What is to happen to an open alert that is found again. None: it may have another value, and no more."""
    if alert.state == AlertState.PENDING:
        return AlertEvent.FIRING if alert.seconds_open >= finding.hold_seconds else None
    if finding.severity == AlertSeverity.CRITICAL and alert.severity == AlertSeverity.WARNING:
        return AlertEvent.ESCALATED
    if silenced or alert.acknowledged_at is not None:
        return None
    if alert.seconds_notified is None:  # a silence has ended
        return AlertEvent.ESCALATED if alert.was_notified else AlertEvent.FIRING
    return AlertEvent.REPEATED if alert.seconds_notified >= REPEAT_SECONDS else None


def _go_on(alert: Alert, finding: Finding, silenced: bool) -> str:
    if (event := _due(alert, finding, silenced)) is None:
        return ""

    def change(tx: Session) -> bool:
        if alert.state == AlertState.PENDING:
            return store.fire(tx, alert.alert_id, finding, notify=not silenced)
        if event == AlertEvent.ESCALATED and alert.severity == AlertSeverity.WARNING:
            return store.escalate(tx, alert.alert_id, finding, notify=not silenced)
        return store.notify_again(tx, alert, finding)

    return _change(alert, event, change, silenced)


def _keep_up(alert: Alert, finding: Finding) -> str:
    with database.connection() as session:
        store.keep_up(session, alert.alert_id, finding)
    return ""


def _end(alert: Alert, silenced: bool) -> str:
    if alert.state == AlertState.PENDING:
        with database.connection() as session:
            store.drop_pending(session, alert.alert_id)
        return "dropped"
    notify = alert.was_notified and not silenced  # who heard nothing of it need not hear of its end
    return _change(alert, AlertEvent.RESOLVED, lambda tx: store.resolve(tx, alert.alert_id), silenced, notify=notify)


def _change(
    alert: Alert, event: AlertEvent, change: Callable[[Session], bool], silenced: bool, *, notify: bool | None = None
) -> str:
    def write(tx: Session) -> str:
        if not change(tx):
            return ""
        store.add_event(tx, alert.alert_id, event, notify=not silenced if notify is None else notify, silenced=silenced)
        return event

    return database.run_transaction(write)
