"""What the stack takes from the template: one frozen record for each thing that it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.iam.policies import Need, Policies

REGION = "us-east-1"
ACCOUNT = "123456789012"
STACK_NAME = "longhaul"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local"}
INTEGRATION_SECONDS = 30.0  # an HTTP API waits no longer


@dataclass(frozen=True)
class Right:
    """What a service of AWS does in the name of a role (a logical id), and for what."""

    role: str
    need: Need
    purpose: str


class TemplateError(Exception):
    """The template needs something that the local stack does not have."""


@dataclass(frozen=True)
class Function:
    """A Lambda function. `timeout` in seconds, `memory` in MB; `reserved` is its reserved concurrency, if any.
    `role` is a logical id."""

    name: str
    handler: str
    role: str = ""
    timeout: int = 3
    memory: int = 128
    reserved: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"


@dataclass(frozen=True)
class QueueMapping:
    """An SQS event source. `queue` is a logical id, `window` the batching window in seconds."""

    queue: str
    function: str
    batch_size: int = 10
    window: float = 0
    concurrency: int | None = None
    partial: bool = False


@dataclass(frozen=True)
class Schedule:
    """A schedule; `expression` as in the template, `source` is aws.events or aws.scheduler."""

    name: str
    function: str
    expression: str
    source: str = "aws.events"
    input: str | None = None


@dataclass(frozen=True)
class EventRule:
    """An EventBridge rule: events that match `pattern` invoke `function`."""

    name: str
    function: str
    pattern: Mapping[str, Any]


@dataclass(frozen=True)
class Authorizer:
    """Which tokens a JWT authorizer accepts."""

    issuer: str
    audience: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """A route of the HTTP API; `rate` in requests per second and `burst` in requests; 0 means no limit. `timeout`:
    the seconds that the gateway waits for the function."""

    method: str
    path: str
    function: str
    authorizer: str | None = None
    scopes: tuple[str, ...] = ()
    rate: float = 0
    burst: int = 0
    timeout: float = INTEGRATION_SECONDS


@dataclass(frozen=True)
class Cors:
    """The HTTP API's CORS configuration."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int | None = None
    credentials: bool = False


@dataclass(frozen=True)
class Api:
    """The HTTP API in front of the functions."""

    routes: tuple[Route, ...] = ()
    authorizers: Mapping[str, Authorizer] = field(default_factory=dict)
    cors: Cors | None = None


@dataclass(frozen=True)
class SocketRoute:
    """A route of the WebSocket API; as a `Route`'s, `rate`, `burst` and `timeout`."""

    function: str
    rate: float = 0
    burst: int = 0
    timeout: float = INTEGRATION_SECONDS


@dataclass(frozen=True)
class SocketApi:
    """The WebSocket API; `routes` by their keys, `name` is its logical id. `needed`: without these parameters of the
    query the `authorizer`, a function, is not asked."""

    name: str
    stage: str
    routes: Mapping[str, SocketRoute]
    authorizer: str | None = None
    needed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Blueprint:
    """A template read for this machine: `resources` for CloudFormation, the rest for the stack's own parts.
    `policies` are those of its roles, `rights` what AWS's services use of them."""

    resources: Mapping[str, Any]
    functions: tuple[Function, ...]
    mappings: tuple[QueueMapping, ...]
    schedules: tuple[Schedule, ...]
    rules: tuple[EventRule, ...]
    api: Api
    sockets: SocketApi | None = None
    policies: Policies = field(default_factory=Policies)
    rights: tuple[Right, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """What CloudFormation made of a blueprint.

    `functions` are by logical id with their environments resolved; `physical` gives each logical id's physical id
    (a queue's is its URL); `logical` gives the logical id of a function's physical name.
    """

    functions: Mapping[str, Function]
    physical: Mapping[str, str]
    logical: Mapping[str, str]
