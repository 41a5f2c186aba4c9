"""Findings: what passes a threshold now. Each rule is one bounded statement, whatever the number of tasks and tenants.

A statement leaves out what passes nobody's threshold; the rest is held against its own tenant's. Of a rule a tenant has
MAX_SUBJECTS findings of its own, and one that counts the others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from alerts import readings
from alerts.model import (
    FURTHER,
    MAX_MESSAGE,
    MAX_SUBJECTS,
    MIN_ENDED,
    OPERATOR,
    RULES,
    WHOLE,
    Alert,
    AlertRule,
    Finding,
    Thresholds,
)
from alerts.store import Own
from longhaul import database
from longhaul.database import Session
from longhaul.tasks.kinds import kinds
from longhaul.tasks.rollups import DAY, HOUR, minute_now

LOOKED_AT = 10_000  # tasks of a status, those that are to end first
SPENDING = ("RUNNING", "PAUSED")  # statuses in which a budget is looked at
MAX_LATE = 100_000  # tasks of a kind that wait for too long, of which an index is read
LIMIT = 10_000  # rows of any other statement
CRITICAL_FIRST = ("critical", "warning")


@dataclass(frozen=True)
class Limits:
    """The thresholds of every tenant: its own, else the operator's, else those built in."""

    own: Own

    def of(self, tenant_id: str, rule: AlertRule) -> Thresholds:
        operators = self.own.get((OPERATOR, rule), RULES[rule].thresholds)
        return self.own.get((tenant_id, rule), operators)

    def floor(self, rule: AlertRule) -> float:
        """No value up to it passes anybody's threshold."""
        return min(limits.floor for limits in [self.of(OPERATOR, rule), *self._own_of(rule)])

    def _own_of(self, rule: AlertRule) -> Iterator[Thresholds]:
        return (limits for (_, its_rule), limits in self.own.items() if its_rule == rule)

    def judge(
        self, rule: AlertRule, tenant_id: str, subject: str, value: float, message: str, **of: Any
    ) -> Finding | None:
        limits = self.of(tenant_id, rule)
        if (judged := limits.judge(value)) is None:
            return None
        severity, threshold = judged
        return Finding(
            tenant_id, rule, subject, severity, value, threshold, message[:MAX_MESSAGE],
            hold_seconds=limits.hold_seconds, **of,
        )  # fmt: skip


def find(limits: Limits, was_open: Sequence[Alert], dead_letters: dict[str, int]) -> list[Finding]:
    """All that passes a threshold. A task with an open alert is looked at wherever it stands, and its alert is its own.

    Raises DatabaseUnavailable.
    """
    open_tasks: dict[AlertRule, list[str]] = defaultdict(list)
    for alert in was_open:
        if alert.task_id:
            open_tasks[alert.rule].append(alert.task_id)
    open_keys = {alert.key for alert in was_open}
    by_rule: dict[AlertRule, Callable[[Session, Limits, float], Iterable[Finding | None]]] = {
        AlertRule.RUNNING_LONG: partial(_running_long, open_tasks=open_tasks[AlertRule.RUNNING_LONG]),
        AlertRule.FAILED_SHARE: _failed_shares,
        AlertRule.RUNNING_COUNT: _running_counts,
        AlertRule.WAITING_LONG: _waiting_long,
        AlertRule.BUDGET: partial(_budgets, open_tasks=open_tasks[AlertRule.BUDGET]),
        AlertRule.WEBHOOK_DISABLED: _disabled_webhooks,
        AlertRule.DEAD_LETTERS: lambda session, limits, floor: _dead_letters(limits, dead_letters),
    }
    found: list[Finding] = []
    with database.connection() as session:
        for rule, read in by_rule.items():
            if (floor := limits.floor(rule)) != float("inf"):
                passing = (finding for finding in read(session, limits, floor) if finding is not None)
                found += _capped(passing, open_keys)
    return found


def _running_long(
    session: Session, limits: Limits, floor: float, open_tasks: Iterable[str]
) -> Iterator[Finding | None]:
    rows = {row["task_id"]: row for row in readings.list_running_long(session, floor, LOOKED_AT)}
    others = [task_id for task_id in open_tasks if task_id not in rows]
    for row in [*rows.values(), *readings.list_running_among(session, others, floor)]:
        message = f"{row['title']}: runs for {duration(row['value'])}"
        yield limits.judge(
            AlertRule.RUNNING_LONG, row["tenant_id"], row["task_id"], row["value"], message, **_task(row)
        )


def _failed_shares(session: Session, limits: Limits, floor: float) -> Iterator[Finding | None]:
    first = (minute_now() - DAY) // HOUR * HOUR
    rows = readings.list_failed_shares(session, span=HOUR, first=first, min_ended=MIN_ENDED, least=floor, limit=LIMIT)
    for row in rows:
        failed, ended = int(row["failed"]), int(row["ended"])
        message = f"{failed / ended:.0%} of the {ended:,} tasks that ended in 24 h have failed"
        yield limits.judge(AlertRule.FAILED_SHARE, row["tenant_id"], WHOLE, failed / ended, message)


def _running_counts(session: Session, limits: Limits, floor: float) -> Iterator[Finding | None]:
    for row in readings.count_running(session, sorted(kinds()), floor, LIMIT):
        message = f"{row['value']:,} tasks run at once"
        yield limits.judge(AlertRule.RUNNING_COUNT, row["tenant_id"], WHOLE, float(row["value"]), message)


def _waiting_long(session: Session, limits: Limits, floor: float) -> Iterator[Finding | None]:
    for row in readings.list_waiting_long(session, sorted(kinds()), floor, MAX_LATE, LIMIT):
        message = f"{row['kind']}: the first of {row['number']:,} waiting tasks waits for {duration(row['value'])}"
        yield limits.judge(
            AlertRule.WAITING_LONG, row["tenant_id"], row["kind"], float(row["value"]), message, kind=row["kind"]
        )


def _budgets(session: Session, limits: Limits, floor: float, open_tasks: Iterable[str]) -> Iterator[Finding | None]:
    rows = {row["task_id"]: row for row in readings.list_spending(session, SPENDING, floor, LOOKED_AT, LIMIT)}
    others = [task_id for task_id in open_tasks if task_id not in rows]
    for row in [*rows.values(), *readings.list_spending_among(session, others, SPENDING, floor)]:
        share = float(row["spent"]) / float(row["budget"])
        message = f"{row['title']}: {share:.0%} of its budget of {float(row['budget']):g} is spent"
        yield limits.judge(AlertRule.BUDGET, row["tenant_id"], row["task_id"], share, message, **_task(row))


def _disabled_webhooks(session: Session, limits: Limits, floor: float) -> Iterator[Finding | None]:
    for row in readings.list_disabled_webhooks(session, LIMIT):
        name = row["title"] or row["webhook_id"]
        message = f"the webhook {name} is disabled ({row['disabled_reason']}): nothing is posted to it"
        yield limits.judge(
            AlertRule.WEBHOOK_DISABLED, row["tenant_id"], row["webhook_id"], 1.0, message, title=row["title"]
        )


def _dead_letters(limits: Limits, dead_letters: dict[str, int]) -> Iterator[Finding | None]:
    for queue, number in dead_letters.items():
        message = f"{number:,} messages of the queue {queue} have failed three times"
        yield limits.judge(AlertRule.DEAD_LETTERS, OPERATOR, queue, float(number), message, title=queue)


def _capped(findings: Iterable[Finding], open_keys: Set[tuple[str, str, str]]) -> Iterator[Finding]:
    """Of each tenant those with an open alert, then the worst, and one that stands for all others.

    An alert that is open keeps its place: values that change places at the limit would end one and begin another.
    """
    of_tenant: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        of_tenant[finding.tenant_id].append(finding)
    for found in of_tenant.values():
        found.sort(key=lambda one: (one.key not in open_keys, -one.value))
        yield from found[:MAX_SUBJECTS]
        if others := found[MAX_SUBJECTS:]:
            yield _further(others)


def _further(others: Sequence[Finding]) -> Finding:
    worst = min(others, key=lambda one: CRITICAL_FIRST.index(one.severity))
    message = f"{len(others):,} more than the {MAX_SUBJECTS} that have alerts of their own; the first: {worst.message}"
    return Finding(
        worst.tenant_id, worst.rule, FURTHER, worst.severity, worst.value, worst.threshold, message[:MAX_MESSAGE],
        hold_seconds=worst.hold_seconds,
    )  # fmt: skip


def _task(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("task_id", "kind", "title")}


def duration(seconds: float) -> str:
    """As people say it: 45 s, 12 min, 1.2 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3_600 else f"{seconds / 3_600:.1f} h"
