"""Webhooks on the wire: what a caller sends and what comes back."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from longhaul.http import Moment, Timestamp
from longhaul.http.pages import Cursor, Limit
from longhaul.tasks.callbacks import PostUrl, WebhookType
from longhaul.validation import NotEmpty
from webhooks.deliveries import MAX_REPLAYED, Replay
from webhooks.endpoints import Wanted
from webhooks.model import Delivery, DeliveryStatus, Disabled, Secrets, Webhook

type Ended = Literal["SUCCEEDED", "FAILED"]

Events = Annotated[
    list[WebhookType],
    NotEmpty,
    Field(min_length=1, max_length=20, description="Only notices of these types.", examples=[["longhaul.task.failed"]]),
]

EXAMPLE_ID = "wh_3f2504e04f8941d39a0c0305e82c3301"
EXAMPLE_DELIVERY = "msg_9b2d8c1f0a6e4d7bb1c3e5f7a9d0c2e4"
EXAMPLE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwZ1dGZ0Q3b0E="  # noqa: S105 (it opens nothing)

Title = Annotated[str, Field(min_length=1, max_length=200, description="What people call it.")]
Kinds = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_]+$")]],
    NotEmpty,
    Field(
        min_length=1, max_length=100, description="Only notices of tasks of these kinds.", examples=[["role_creation"]]
    ),
]


TaskIdQuery = Annotated[
    str,
    Query(
        min_length=1,
        max_length=96,
        description="A task's id.",
        examples=["province_广东省_20261122_143052_1a2b3c4d"],
    ),
]


class DeliveryQuery(BaseModel):
    """How a list of deliveries is asked for."""

    status: DeliveryStatus | None = Field(None, description="Only those that stand so.", examples=["FAILED"])
    cursor: Cursor = None
    limit: Limit = 20

    def statuses(self) -> list[DeliveryStatus]:
        return [self.status] if self.status else list(DeliveryStatus)


class WebhookRequest(BaseModel):
    """An address to which the tenant's notices are posted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.com/longhaul", "events": ["longhaul.task.failed"]}]
        },
    )

    url: PostUrl
    title: Title | None = None
    events: Events | None = Field(None, description="Only notices of these types; all when left out.")
    kinds: Kinds | None = Field(
        None, description="Only notices of tasks of these kinds, and of their alerts; all when left out."
    )

    def wanted(self) -> Wanted:
        return Wanted(self.url, self.title, self.events, self.kinds)


class WebhookChange(BaseModel):
    """What is to be different about a webhook; what is left out stays. Null for `events` and `kinds` is all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"paused": True}]})

    url: PostUrl | None = Field(None, description="Another address, which enables a webhook that is disabled.")
    title: Title | None = None
    events: Events | None = None
    kinds: Kinds | None = None
    paused: StrictBool | None = Field(None, description="Deliveries of a paused one wait.")
    disabled: Literal[False] | None = Field(None, description="Enables one that is disabled.")

    @model_validator(mode="after")
    def something_changes(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("url, title, events, kinds, paused or disabled should be given")
        for name in ("url", "paused", "disabled"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} should not be null: leave it out")
        return self

    def values(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class WebhookDocument(BaseModel):
    """A webhook, without its secret."""

    model_config = ConfigDict(frozen=True)

    webhook_id: str = Field(examples=[EXAMPLE_ID])
    url: str = Field(examples=["https://hooks.example.com/longhaul"])
    title: str | None = None
    events: list[WebhookType] | None = Field(description="Only these types; null: all.")
    kinds: list[str] | None = Field(description="Only tasks of these kinds; null: of all.")
    paused: bool = Field(description="Its deliveries wait.")
    disabled: bool = Field(description="Nothing is recorded for it or posted to it until it is enabled.")
    disabled_at: Timestamp | None = None
    disabled_reason: Disabled | None = Field(
        None, description="gone: it answered 410. failing: no try has succeeded for 5 days."
    )
    failing_since: Timestamp | None = Field(None, description="The first failure since the last success.")
    next_attempt_at: Timestamp | None = Field(None, description="One that fails is left alone until then.")
    created_at: Timestamp
    updated_at: Timestamp


class WebhookWithSecret(WebhookDocument):
    """A webhook with the secret that signs what is posted to it. Only this answer has it."""

    secret: str = Field(examples=[EXAMPLE_SECRET])


class WebhookPage(BaseModel):
    """Webhooks, the oldest first."""

    items: list[WebhookDocument]
    next_cursor: str | None = Field(None, description="Continues after this page. Null on the last page.")


class Deleted(BaseModel):
    """The webhook is gone; what is left of it is deleted within a minute."""

    webhook_id: str = Field(examples=[EXAMPLE_ID])


class SecretDocument(BaseModel):
    """A secret that signs. The former one signs too until `former_until`."""

    secret: str = Field(examples=[EXAMPLE_SECRET])
    former_until: Timestamp | None = None


class DeliveryDocument(BaseModel):
    """A notice for one address. `status_code`, `error`, `latency_ms` and `answer` are of its last try."""

    model_config = ConfigDict(frozen=True)

    delivery_id: str = Field(description="The `webhook-id` of each of its tries.", examples=[EXAMPLE_DELIVERY])
    webhook_id: str = Field(description="cb_...: an address of tasks' callbacks.", examples=[EXAMPLE_ID])
    event: str = Field(description="The notice's type.", examples=["longhaul.task.succeeded"])
    notice_id: str = Field(description="The notice's id.", examples=["0000000000004711.00000000"])
    task_id: str | None = Field(None, description="Null of a test, and of an alert.")
    status: DeliveryStatus = Field(description="PENDING also while it waits for its next try.")
    tries: int
    next_attempt_at: Timestamp | None = Field(
        None, description="When it is tried, if its webhook is not left alone then."
    )
    status_code: int | None = None
    error: str | None = None
    latency_ms: int | None = None
    answer: str | None = Field(None, description="The beginning of the receiver's answer, 1 KB at most.")
    attempted_at: Timestamp | None = None
    delivered_at: Timestamp | None = None
    created_at: Timestamp


class DeliveryPage(BaseModel):
    """Deliveries, the newest first."""

    items: list[DeliveryDocument]
    next_cursor: str | None = Field(None, description="Continues after this page. Null on the last page.")


class ReplayRequest(BaseModel):
    """Which deliveries are to be posted again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"since": "2026-12-01T02:00:00Z"}]})

    since: Moment = Field(description="Those that were recorded from then on.")
    status: Annotated[list[Ended], NotEmpty] = Field(
        default=["SUCCEEDED", "FAILED"],
        min_length=1,
        max_length=2,
        description="Only those that ended so; both when left out.",
    )

    def statuses(self) -> list[DeliveryStatus]:
        return [DeliveryStatus(status) for status in self.status]


class Replayed(BaseModel):
    """How many deliveries are posted again; with `more`, ask again with `next_since` as the time."""

    replayed: int = Field(description=f"At most {MAX_REPLAYED:,}.")
    more: bool
    next_since: Timestamp | None = Field(None, description="What was recorded then may come once more.")


def webhook_document(webhook: Webhook) -> WebhookDocument:
    return WebhookDocument.model_validate(_shown(webhook))


def with_secret(webhook: Webhook) -> WebhookWithSecret:
    if webhook.secrets is None:
        raise ValueError("an address of callbacks has no secret of its own")
    return WebhookWithSecret.model_validate(_shown(webhook) | {"secret": webhook.secrets.secret})


def secret_document(secrets: Secrets) -> SecretDocument:
    return SecretDocument(secret=secrets.secret, former_until=secrets.former_until)


def delivery_document(delivery: Delivery) -> DeliveryDocument:
    return DeliveryDocument.model_validate(vars(delivery))


def delivery_page(found: Sequence[Delivery], next_cursor: str | None) -> DeliveryPage:
    return DeliveryPage(items=[delivery_document(delivery) for delivery in found], next_cursor=next_cursor)


def replayed(replay: Replay) -> Replayed:
    return Replayed.model_validate(
        {"replayed": replay.number, "more": replay.next_since is not None, "next_since": replay.next_since}
    )


def _shown(webhook: Webhook) -> dict[str, Any]:
    return vars(webhook) | {
        "disabled": webhook.disabled_at is not None,
        "events": webhook.events and list(webhook.events),
        "kinds": webhook.kinds and list(webhook.kinds),
    }
