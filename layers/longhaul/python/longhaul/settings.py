"""Settings: what a function reads from its environment, typed, checked when it starts.

Each model names the variables of one concern (a field's name in upper case is its variable). A function module says at
import which it needs: a wrong deployment fails at start with the names, and a test holds the template against the code.

    settings.require(settings.Database, settings.ProgressQueue)
Everyone else reads values with `settings.of(settings.Database)`.
"""

import os
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError


class SettingsError(RuntimeError):
    """The environment lacks a variable or holds a wrong one."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


@cache
def of[S: Settings](model: type[S]) -> S:
    """The model's values; raises SettingsError naming each variable that is missing or wrong."""
    variables = {name: os.environ[name.upper()] for name in model.model_fields if name.upper() in os.environ}
    try:
        return model.model_validate(variables)
    except ValidationError as error:
        wrong = ", ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{model.__name__} settings: {wrong}") from error


def require(*models: type[Settings]) -> None:
    """Fail now, with names, when the environment lacks what these models read."""
    for model in models:
        of(model)


type ResponseFormat = Literal["auto", "json_schema", "json_object", "none"]  # `auto` is found out


def _split(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class Database(Settings):
    """MySQL: the secret holds {host, port, username, password, dbname, unix_socket?, init_command?}.

    TLS is `verify` (by the system's authorities), `off`, or the path of a file of further authorities to verify by.
    """

    database_secret_arn: str = Field(min_length=1)
    database_tls: str = Field(pattern=r"^(verify|off|/\S+)$")


class Kinds(Settings):
    """The modules whose `KINDS` this deployment serves: `KIND_MODULES=hospitals.kinds,roles.kinds`."""

    kind_modules: Annotated[list[str], BeforeValidator(_split)] = Field(min_length=1)


class Docs(Settings):
    """The workloads that are deployed, by name, and whether /docs and /openapi.json answer."""

    workloads: Annotated[list[str], BeforeValidator(_split)] = Field(min_length=1)
    public_docs: bool


class Workflows(Settings):
    """The ARN of each state machine and the URL of each queue that runs tasks, by its logical id, as a JSON object."""

    workflow_arns: Json[dict[str, str]]


class StepFunctions(Settings):
    """The ARN of each function that runs steps of code-first workloads, by its logical id, as a JSON object."""

    step_functions: Json[dict[str, str]]


class DispatchQueue(Settings):
    dispatch_queue_url: str = Field(min_length=1)


class ProgressQueue(Settings):
    progress_queue_url: str = Field(min_length=1)


class NoticesQueue(Settings):
    notices_queue_url: str = Field(min_length=1)


class Channels(Settings):
    """The queue of each channel that tells notices (`longhaul.tasks.notices`)."""

    sockets_queue_url: str = Field(min_length=1)
    webhooks_queue_url: str = Field(min_length=1)
    mail_queue_url: str = Field(min_length=1)


class Alerts(Settings):
    """The SNS topic to which the alerts of all tenants are published."""

    alerts_topic: str = Field(min_length=1)


class DeadLetters(Settings):
    """What holds each queue's dead letters, by the queue's name, as a JSON object; empty where it is not deployed."""

    dead_letters: Json[dict[str, str]]


class Sockets(Settings):
    """The DynamoDB table of tickets, connections and subscriptions."""

    sockets_table: str = Field(min_length=1)


class SocketsApi(Settings):
    """Where the WebSocket API takes frames for its connections, stage included: https://.../live. Callers use wss."""

    sockets_endpoint: str = Field(pattern=r"^https?://\S+$")


class Webhooks(Settings):
    """Whether http to loopback may be posted to: for tests and for the stack on one machine (`longhaul.addresses`)."""

    webhook_loopback: bool


class DeliverQueue(Settings):
    deliver_queue_url: str = Field(min_length=1)


class OutboxQueue(Settings):
    outbox_queue_url: str = Field(min_length=1)


class Mail(Settings):
    """The sender of e-mail, which SES has verified; empty: this deployment sends none."""

    mail_from: str = Field(max_length=254)


class MailLinks(Settings):
    """Where the links of a mail lead: the API, and a page that shows a task, with {task_id} in it (empty: the API)."""

    public_url: str = Field(pattern=r"^https?://[!-~]+$")
    task_page_url: str = Field(pattern=r"^(https?://[!-~]+)?$")


class SteerQueue(Settings):
    steer_queue_url: str = Field(min_length=1)


class AssignQueue(Settings):
    assign_queue_url: str = Field(min_length=1)


class SyncQueue(Settings):
    sync_queue_url: str = Field(min_length=1)


class AnalyseQueue(Settings):
    analyse_queue_url: str = Field(min_length=1)


class RecordingsQueue(Settings):
    recordings_queue_url: str = Field(min_length=1)


class Retention(Settings):
    """For how many days tasks are kept after their end."""

    task_retention_days: int = Field(ge=1, le=3650)


class Live(Settings):
    """The DynamoDB table of live progress items."""

    live_table: str = Field(min_length=1)


class Cache(Settings):
    """The DynamoDB table of cached pages and their generations."""

    cache_table: str = Field(min_length=1)


class Limits(Settings):
    """What a caller may do: the text before each scope of a token, and requests a minute (`longhaul.http.limits`)."""

    scope_prefix: str = Field(default="", pattern=r"^\S*$")  # of Cognito: https://api.example/
    writes_per_minute: int = Field(ge=0, le=1_000_000)  # of a tenant; 0: without limit
    bulk_per_minute: int = Field(ge=0, le=1_000_000)
    reads_per_minute: int = Field(ge=0, le=1_000_000)


class Waits(Settings):
    """How many requests may be held open at once, of a tenant and of all (`longhaul.http.waiting`); 0 means none."""

    waits_per_tenant: int = Field(ge=0, le=1_000)
    waits_at_once: int = Field(ge=0, le=1_000)
    breaker_table: str = Field(min_length=1)


class Llm(Settings):
    """An OpenAI-compatible endpoint; the secret holds its key. Who asks it reads `Breaker` too."""

    llm_base_url: str = Field(min_length=1)
    llm_model: str = Field(min_length=1)
    llm_secret_arn: str = Field(min_length=1)
    llm_timeout_seconds: float = Field(gt=0, le=600)
    llm_response_format: ResponseFormat


class Model(BaseModel):
    """One language model, its secret (the key) and its prices for a million tokens, all in one currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")  # what callers say; a part of steps' keys
    base_url: str = Field(pattern=r"^https?://\S+$", max_length=500)
    model: str = Field(min_length=1, max_length=200)  # what the endpoint calls it
    secret_arn: str = Field(min_length=1, max_length=2048)
    prompt_price: Decimal = Field(default=Decimal(0), ge=0, le=1_000_000)
    completion_price: Decimal = Field(default=Decimal(0), ge=0, le=1_000_000)
    max_concurrent: int = Field(default=5, ge=1, le=100)
    response_format: ResponseFormat = "auto"


def _distinct(models: list[Model]) -> list[Model]:
    if len({model.name for model in models}) < len(models):
        raise ValueError("two models have the same name")
    return models


class Models(Llm):
    """The language models that may be asked by name, as a JSON list; empty means the one of `Llm`."""

    ai_models: Json[Annotated[list[Model], Field(max_length=20), AfterValidator(_distinct)]]


class Breaker(Settings):
    """The DynamoDB table that says which provider is left alone, and who is at it."""

    breaker_table: str = Field(min_length=1)


class Outbound(Settings):
    """Alibaba Cloud OutboundBot at `host[:port]`; the secret holds {access_key_id, access_key_secret}."""

    outbound_endpoint: str = Field(min_length=1)
    outbound_protocol: Literal["https", "http"]
    outbound_instance_id: str = Field(min_length=1)
    outbound_secret_arn: str = Field(min_length=1)
    breaker_table: str = Field(min_length=1)


class Recordings(Settings):
    """The bucket of recordings, and the hosts they may come from: `host`, `host:port` or `*.suffix`, with commas."""

    recordings_bucket: str = Field(min_length=1)
    recording_hosts: Annotated[list[str], BeforeValidator(_split)] = Field(min_length=1)


class Dashscope(Settings):
    """Where DashScope is, the secret of its key, and the hosts that its results may come from, as of `Recordings`."""

    dashscope_endpoint: str = Field(pattern=r"^https?://\S+$")
    dashscope_secret_arn: str = Field(min_length=1)
    video_hosts: Annotated[list[str], BeforeValidator(_split)] = Field(min_length=1)


class Videos(Settings):
    """The bucket of videos."""

    videos_bucket: str = Field(min_length=1)


class Cursors(Settings):
    """The secret whose text seals the cursors of pages."""

    cursor_secret_arn: str = Field(min_length=1)


class Calls(Settings):
    """How often the provider may be asked for a job, and for how long a batch of leads is one worker's; in seconds."""

    call_sync_seconds: float = Field(ge=0.1, le=3600)
    call_lease_seconds: float = Field(ge=0.1, le=3600)


class Hospitals(Settings):
    max_districts_in_flight: int = Field(ge=1, le=40)
    hospitals_batch_size: int = Field(ge=1, le=100)
