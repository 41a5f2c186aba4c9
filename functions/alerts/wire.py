"""Alerts, rules and silences on the wire."""

from collections.abc import Sequence
from typing import Annotated, Self

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from alerts.model import RULES, Alert, AlertEvent, AlertRule, AlertSeverity, AlertState, Happened, Silence, Thresholds
from alerts.rules import RuleOf
from longhaul.http import Moment, Timestamp
from longhaul.http.pages import Cursor, Limit

EXAMPLE_ALERT = "alert_3f2504e04f8941d39a0c0305e82c3301"
EXAMPLE_SILENCE = "silence_9b2d8c1f0a6e4d7bb1c3e5f7a9d0c2e4"

AllTenants = Annotated[
    bool,
    Query(description="For operators (scope `ops`): the whole deployment's instead of your own.", examples=[False]),
]
Limited = Annotated[float, Field(ge=0, le=1_000_000_000, strict=True)]


class AlertQuery(BaseModel):
    """Which alerts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: AlertState | None = Field(None, description="Only those that are so.", examples=["firing"])
    rule: AlertRule | None = Field(None, description="Only of this rule.", examples=["running_long"])
    severity: AlertSeverity | None = Field(None, description="Only of this severity.", examples=["critical"])
    all_tenants: AllTenants = False
    cursor: Cursor = None
    limit: Limit = 20

    def states(self) -> list[AlertState]:
        return [self.state] if self.state else list(AlertState)

    def rules(self) -> list[AlertRule]:
        return [self.rule] if self.rule else list(AlertRule)

    def severities(self) -> list[AlertSeverity]:
        return [self.severity] if self.severity else list(AlertSeverity)


class AlertDocument(BaseModel):
    """Something that is wrong, or was."""

    model_config = ConfigDict(frozen=True)

    alert_id: str = Field(examples=[EXAMPLE_ALERT])
    tenant_id: str | None = Field(description="Null: of the deployment itself.")
    rule: AlertRule
    subject: str = Field(
        description="What the rule looks at: a task, a kind, a webhook, a queue. Empty: all that the tenant has. *: "
        "all beyond the 100 that have alerts of their own."
    )
    state: AlertState
    severity: AlertSeverity = Field(description="It never falls while the alert is open.")
    message: str
    value: float = Field(description="As it was seen last.")
    threshold: float = Field(description="That it passes.")
    task_id: str | None = None
    kind: str | None = None
    title: str | None = None
    acknowledged_at: Timestamp | None = None
    acknowledged_by: str | None = None
    notified_at: Timestamp | None = Field(None, description="When listeners were last notified; null while silenced.")
    fired_at: Timestamp | None = None
    resolved_at: Timestamp | None = None
    created_at: Timestamp
    updated_at: Timestamp


class HappenedDocument(BaseModel):
    """What happened to an alert, and how it was then."""

    model_config = ConfigDict(frozen=True)

    event: AlertEvent
    severity: AlertSeverity
    value: float
    threshold: float
    message: str
    user_id: str | None = None
    silenced: bool = Field(description="Nobody was notified.")
    created_at: Timestamp


class AlertWithHistory(AlertDocument):
    """An alert, and the newest 200 things that happened to it, the oldest first."""

    history: list[HappenedDocument]


class AlertPage(BaseModel):
    """Alerts, the newest first."""

    items: list[AlertDocument]
    next_cursor: str | None = Field(None, description="Continues after this page. Null on the last page.")


class RuleChange(BaseModel):
    """From when on the rule's value is wrong. A threshold that is null is never passed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"enabled": True, "warning": 1800, "critical": 3600, "hold_seconds": 0}]},
    )

    enabled: StrictBool = True
    warning: Limited | None = Field(description="Above it the alert is a warning.")
    critical: Limited | None = Field(description="Above it the alert is critical.")
    hold_seconds: int = Field(
        0,
        ge=0,
        le=86_400,
        strict=True,
        description="Seconds for which the value must be above the threshold before the alert fires.",
    )

    @model_validator(mode="after")
    def is_worse(self) -> Self:
        if self.warning is not None and self.critical is not None and self.critical < self.warning:
            raise ValueError("critical should not be below warning")
        return self

    def thresholds(self) -> Thresholds:
        return Thresholds(self.warning, self.critical, self.hold_seconds, self.enabled)


class RuleDocument(BaseModel):
    """A rule and the thresholds that hold."""

    model_config = ConfigDict(frozen=True)

    rule: AlertRule
    description: str
    unit: str = Field(description="Of the value and the thresholds.", examples=["seconds"])
    enabled: bool
    warning: float | None
    critical: float | None
    hold_seconds: int
    origin: str = Field(description="Whose thresholds they are: own, operator or built_in.", examples=["built_in"])
    updated_at: Timestamp | None = None


class AlertRules(BaseModel):
    """All rules."""

    items: list[RuleDocument]


class SilenceRequest(BaseModel):
    """Until when nobody is to be notified: of all alerts, of those of a rule, or of one subject."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rule": "running_count", "ends_at": "2026-12-01T06:00:00Z"}]},
    )

    rule: AlertRule | None = None
    subject: str | None = Field(None, min_length=1, max_length=96, description="A task, a kind, a webhook or a queue.")
    comment: str | None = Field(None, min_length=1, max_length=500)
    ends_at: Moment = Field(description="At most 90 days ahead.")


class SilenceDocument(BaseModel):
    """A silence. One that has ended is kept for 90 days."""

    model_config = ConfigDict(frozen=True)

    silence_id: str = Field(examples=[EXAMPLE_SILENCE])
    rule: AlertRule | None
    subject: str | None
    comment: str | None
    created_by: str
    ends_at: Timestamp
    created_at: Timestamp


class SilencePage(BaseModel):
    """Silences, the newest first."""

    items: list[SilenceDocument]
    next_cursor: str | None = Field(None, description="Continues after this page. Null on the last page.")


class DeletedSilence(BaseModel):
    """The silence is gone."""

    silence_id: str = Field(examples=[EXAMPLE_SILENCE])


def alert_document(alert: Alert) -> AlertDocument:
    return AlertDocument.model_validate(_shown(alert))


def with_history(alert: Alert, history: Sequence[Happened]) -> AlertWithHistory:
    documents = [HappenedDocument.model_validate(vars(one)) for one in history]
    return AlertWithHistory.model_validate(_shown(alert) | {"history": documents})


def rule_document(found: RuleOf) -> RuleDocument:
    about = RULES[found.rule]
    return RuleDocument.model_validate(
        vars(found.thresholds)
        | {"rule": found.rule, "unit": about.unit, "description": about.description, "origin": found.origin}
    )


def silence_document(silence: Silence) -> SilenceDocument:
    return SilenceDocument.model_validate(vars(silence) | {"created_by": silence.user_id})


def _shown(alert: Alert) -> dict[str, object]:
    return vars(alert) | {"tenant_id": alert.tenant_id or None}
