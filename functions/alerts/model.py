"""What an alert is: rules with thresholds, what is found to pass one, and what becomes of it."""

from collections.abc import Set
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Any, Self

from longhaul.errors import Conflict
from longhaul.stored import known
from longhaul.tasks.model import aware

OPERATOR = ""  # the tenant of alerts, thresholds and silences of the whole deployment; no tenant has the empty id
WHOLE, FURTHER = "", "*"  # subjects: all that a tenant has, and all beyond MAX_SUBJECTS
MAX_SUBJECTS = 100  # open alerts of a rule and tenant; the rest have one together
REPEAT_SECONDS = 4 * 3_600
MIN_ENDED = 20  # tasks: a share of fewer says nothing
KEPT_DAYS = 90  # a resolved alert
MAX_SILENCES = 100  # of a tenant
MAX_MESSAGE = 500


class AlertRule(StrEnum):
    """What is watched. The values are on the wire and in rows."""

    RUNNING_LONG = "running_long"
    FAILED_SHARE = "failed_share"
    RUNNING_COUNT = "running_count"
    WAITING_LONG = "waiting_long"
    BUDGET = "budget"
    WEBHOOK_DISABLED = "webhook_disabled"
    DEAD_LETTERS = "dead_letters"


class AlertSeverity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    """PENDING: passed for less than the rule's `hold_seconds`. Listeners hear only of what has fired."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class AlertEvent(StrEnum):
    """What happens to an alert; each but `silenced` may be a notice."""

    FIRING = "firing"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class TooManySilences(Conflict):
    """The tenant has as many silences as a tenant may have."""

    code = "too_many_silences"


@dataclass(frozen=True)
class Thresholds:
    """From when on a rule's value is wrong: above `warning`, above `critical` (None: never), for `hold_seconds`."""

    warning: float | None
    critical: float | None
    hold_seconds: int = 0
    enabled: bool = True
    updated_at: datetime | None = None  # None: as built in

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = known(row, (field.name for field in fields(cls)))
        return cls(**values | {"enabled": bool(row["enabled"]), "updated_at": aware(row["updated_at"])})

    @property
    def floor(self) -> float:
        """No value up to it passes a threshold."""
        given = [limit for limit in (self.warning, self.critical) if limit is not None]
        return min(given) if given and self.enabled else float("inf")

    def judge(self, value: float) -> tuple[AlertSeverity, float] | None:
        """The worst threshold that the value passes."""
        for severity, limit in ((AlertSeverity.CRITICAL, self.critical), (AlertSeverity.WARNING, self.warning)):
            if self.enabled and limit is not None and value > limit:
                return severity, limit
        return None


@dataclass(frozen=True)
class About:
    """A rule: its thresholds as built in, what its value is, and whether it is the deployment's and no tenant's."""

    thresholds: Thresholds
    unit: str
    description: str
    of_operator: bool = False


RULES = {
    AlertRule.RUNNING_LONG: About(
        Thresholds(3_600, 7_200), "seconds", "For how long a task has run, since its first start."
    ),
    AlertRule.FAILED_SHARE: About(
        Thresholds(0.1, 0.2),
        "share",
        f"How much of what ended in 24 hours has failed, 0 to 1; judged from {MIN_ENDED} ended tasks on.",
    ),
    AlertRule.RUNNING_COUNT: About(Thresholds(8, 10, hold_seconds=60), "tasks", "How many tasks run at once."),
    AlertRule.WAITING_LONG: About(
        Thresholds(1_800, 7_200), "seconds", "For how long the first of a kind's waiting tasks could have run."
    ),
    AlertRule.BUDGET: About(
        Thresholds(0.8, 0.95), "share", "How much of a task's budget (`max_cost`) is spent, 0 to 1."
    ),
    AlertRule.WEBHOOK_DISABLED: About(Thresholds(0, None), "webhooks", "Whether a webhook is disabled."),
    AlertRule.DEAD_LETTERS: About(
        Thresholds(0, 100), "messages", "How many messages of a queue have failed three times.", of_operator=True
    ),
}


@dataclass(frozen=True)
class Finding:
    """A value that passes a threshold now."""

    tenant_id: str
    rule: AlertRule
    subject: str
    severity: AlertSeverity
    value: float
    threshold: float
    message: str
    task_id: str | None = None
    kind: str | None = None
    title: str | None = None
    hold_seconds: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.tenant_id, self.rule, self.subject


@dataclass(frozen=True)
class Alert:
    """A row of `alerts`. Times are aware, UTC. `seconds_open` and `seconds_notified` are by the database's clock.

    `notified_at`: when listeners were last notified; None: never, or a silence kept from them that it became critical.
    `was_notified`: whether they were notified at all (of an alert that was read by itself, or as an open one).
    """

    id: int
    alert_id: str
    tenant_id: str
    rule: AlertRule
    subject: str
    state: AlertState
    severity: AlertSeverity
    value: float
    threshold: float
    message: str
    task_id: str | None
    kind: str | None
    title: str | None
    notified_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    fired_at: datetime | None
    resolved_at: datetime | None
    created_at: datetime
    updated_at: datetime
    seconds_open: float = 0.0
    seconds_notified: float | None = None
    was_notified: bool = False

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {name: aware(value) for name, value in known(row, (field.name for field in fields(cls))).items()}
        chosen = {
            "rule": AlertRule(row["rule"]),
            "state": AlertState(row["state"]),
            "severity": AlertSeverity(row["severity"]),
            "was_notified": bool(row.get("was_notified")),
        }
        return cls(**values | chosen)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.tenant_id, self.rule, self.subject


@dataclass(frozen=True)
class Happened:
    """A row of `alert_events`."""

    id: int
    event: AlertEvent
    severity: AlertSeverity
    value: float
    threshold: float
    message: str
    user_id: str | None
    silenced: bool
    created_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {name: aware(value) for name, value in known(row, (field.name for field in fields(cls))).items()}
        chosen = {"event": AlertEvent(row["event"]), "severity": AlertSeverity(row["severity"])}
        return cls(**values | chosen | {"silenced": bool(row["silenced"])})


@dataclass(frozen=True)
class Silence:
    """A row of `alert_silences`. `rule` and `subject` None: all."""

    id: int
    silence_id: str
    tenant_id: str
    rule: AlertRule | None
    subject: str | None
    comment: str | None
    user_id: str
    ends_at: datetime
    created_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {name: aware(value) for name, value in known(row, (field.name for field in fields(cls))).items()}
        return cls(**values | {"rule": row["rule"] and AlertRule(row["rule"])})


@dataclass(frozen=True)
class Silences:
    """What is silenced now: by tenant, rule and subject (None: all). Looked up, whatever their number."""

    covered: Set[tuple[str, str | None, str | None]]

    def cover(self, one: Alert | Finding) -> bool:
        """The operator's silences cover the alerts of every tenant."""
        of_one = product((OPERATOR, one.tenant_id), (None, one.rule), (None, one.subject))
        return any(chosen in self.covered for chosen in of_one)
