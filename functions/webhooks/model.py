"""What a webhook is and what a delivery, when a delivery is tried again, and what may be under way at once."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Self

from longhaul.errors import Conflict
from longhaul.stored import known
from longhaul.tasks.model import aware

MAX_WEBHOOKS = 50  # of a tenant
SECRET_KEPT = timedelta(hours=24)  # after a rotation the former secret signs too, for so long

MINUTE, HOUR = 60.0, 3600.0
RETRY_SECONDS = (5.0, 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24)))
MAX_TRIES = len(RETRY_SECONDS) + 1
# A webhook that fails is tried by one delivery at a time, and then rests for so long. One that is well again is noticed
# within an hour.
REST_SECONDS = (*RETRY_SECONDS[:3], HOUR)
MAX_RETRY_AFTER = 24 * HOUR  # of what a receiver asks for
DISABLED_AFTER = timedelta(days=5)  # of failures without a success between
GONE = 410
THROTTLING = (429, 503)  # their Retry-After is heeded

# What may be under way at once. Of a tenant so much that each of its webhooks may have a try, were all to hang; of
# those that are not known to work so little in all that others always find a worker (see `deployment.yaml`).
MAX_TENANT_TRIES = MAX_WEBHOOKS
MAX_WEBHOOK_TRIES = 4
MAX_DOUBTFUL_TRIES = 60

KEPT_DAYS = 14  # a delivery
MAX_ANSWER = 1_024  # bytes that are kept of a receiver's answer
MAX_ERROR = 200  # characters


class TooManyWebhooks(Conflict):
    """The tenant has as many webhooks as a tenant may have."""

    code = "too_many_webhooks"


class WebhookDisabled(Conflict):
    """The webhook is disabled: enable it first."""

    code = "webhook_disabled"


class DeliveryStatus(StrEnum):
    """How a delivery stands; PENDING also while it waits for its next try."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Disabled(StrEnum):
    """Why a webhook is disabled."""

    GONE = "gone"  # it answered 410
    FAILING = "failing"  # for DISABLED_AFTER


@dataclass(frozen=True)
class Secrets:
    """What signs: the secret and, for a day after a rotation, the one before. `former_until` is the database's."""

    secret: str
    former_secret: str | None = None
    former_until: datetime | None = None

    def at(self, now: datetime) -> list[str]:
        """Those that are valid now, the newest first."""
        if self.former_secret and self.former_until and now < self.former_until:
            return [self.secret, self.former_secret]
        return [self.secret]


@dataclass(frozen=True)
class Webhook:
    """A row of `webhooks`: an endpoint of a tenant, or an address of tasks' callbacks. Times are aware, UTC.

    `works`: None before the first try, else whether the last one succeeded. `next_attempt_at`: one that fails is left
    alone until then.
    """

    webhook_id: str
    tenant_id: str
    task_callback: bool
    url: str
    title: str | None
    events: tuple[str, ...] | None
    kinds: tuple[str, ...] | None
    paused: bool
    secrets: Secrets | None  # None of a callback: the tenant's sign
    works: bool | None
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    disabled_at: datetime | None
    disabled_reason: Disabled | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {name: aware(value) for name, value in known(row, (field.name for field in fields(cls))).items()}
        return cls(
            **values
            | {
                "task_callback": bool(row["task_callback"]),
                "events": split(row["events"]),
                "kinds": split(row["kinds"]),
                "paused": bool(row["paused"]),
                "secrets": secrets_of(row),
                "works": None if row["works"] is None else bool(row["works"]),
                "disabled_reason": row["disabled_reason"] and Disabled(row["disabled_reason"]),
            }
        )


@dataclass(frozen=True)
class Delivery:
    """A row of `webhook_deliveries`, without its body. `status_code` to `answer` are of its last try."""

    id: int
    delivery_id: str
    webhook_id: str
    task_id: str | None
    notice_id: str
    event: str
    status: DeliveryStatus
    tries: int
    next_attempt_at: datetime | None
    status_code: int | None
    error: str | None
    latency_ms: int | None
    answer: str | None
    attempted_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        values = {field.name: aware(row[field.name]) for field in fields(cls)}
        return cls(**values | {"status": DeliveryStatus(row["status"])})


@dataclass(frozen=True)
class Outcome:
    """What came of a try. `retry_after`: the seconds that the receiver asks to be left alone for."""

    status_code: int | None = None
    error: str | None = None
    answer: str | None = None
    latency_ms: int = 0
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        """Only 2xx is success: a redirect is not followed."""
        return self.status_code is not None and 200 <= self.status_code < 300


def split(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(text.split(","))


def secrets_of(row: dict[str, Any]) -> Secrets | None:
    if row["secret"] is None:
        return None
    return Secrets(row["secret"], row["former_secret"], aware(row["former_until"]))


def retry_delay(tries: int, outcome: Outcome) -> float | None:
    """Seconds until the next try of a delivery that has failed `tries` times; None: that was the last one."""
    if tries > len(RETRY_SECONDS):
        return None
    return max(RETRY_SECONDS[tries - 1], outcome.retry_after or 0.0)


def rest_delay(failures: int, outcome: Outcome) -> float:
    """Seconds for which a webhook that failed so often in a row is left alone."""
    return max(REST_SECONDS[min(failures, len(REST_SECONDS)) - 1], outcome.retry_after or 0.0)


def retry_after(status: int, text: str | None, now: datetime) -> float | None:
    """The seconds in a Retry-After that is heeded, bounded: a number of them, or a date (RFC 9110, 10.2.3)."""
    if status not in THROTTLING or not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(MAX_RETRY_AFTER, float(text[:9]))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return min(MAX_RETRY_AFTER, max(0.0, seconds))
