"""How often a tenant may ask: a token bucket for each tenant and class of routes, in one conditional write.

GCRA: of a bucket only its *arrival time* is kept, the moment at which it is full again. A request moves it on by one
step (60 s / quota), from now if it lies in the past, and is refused when it would come to lie more than a minute ahead.
DynamoDB has no max(), so there are two moves, each with its own condition: from now (an idle tenant), or from where it
is (a busy one). An execution environment remembers the last arrival time it saw and tries the move that fits; a write
that fails tells the state with its refusal, so a wrong guess costs one more write and no read. As an arrival time never
goes back, one that is remembered to lie too far ahead is refused without asking anybody.

Times are in microseconds since the epoch, by the function's clock: a clock that is off by a second is off by that much
of a minute's quota. DynamoDB being away means allow and warn.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, settings
from longhaul.aws import dynamodb
from longhaul.http.errors import QuotaExceeded
from longhaul.http.identity import BEARER, caller
from longhaul.observability import logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type LimitClass = Literal["read", "write", "bulk"]

EXTENSION = "x-rate-limit"  # how the OpenAPI document names a route's class
WINDOW_SECONDS = 60
KEPT_BUCKETS = 1_000  # how many buckets an environment remembers

_MICRO = 1_000_000
_WINDOW = WINDOW_SECONDS * _MICRO
_STANDING = "standing"  # under this name it waits in the resolver's context for the answer


@dataclass(frozen=True)
class Policy:
    """`quota` requests a minute, all of them at once if need be."""

    name: LimitClass
    quota: int

    @property
    def step(self) -> int:
        """The microseconds of the window that one request takes up."""
        return _WINDOW // self.quota

    def __str__(self) -> str:
        return f'"{self.name}";q={self.quota};w={WINDOW_SECONDS}'


@dataclass(frozen=True)
class Standing:
    """Whether a request may go on, how many more would be, and the seconds until there is one more than that."""

    policy: Policy
    allowed: bool
    remaining: int
    seconds: int

    def __str__(self) -> str:
        return f'"{self.policy.name}";r={self.remaining};t={self.seconds}'


class _Memory:
    """What an execution environment knows: the buckets' arrival times."""

    arrivals: ClassVar[dict[str, int]] = {}


def limited(name: LimitClass) -> dict[str, Any]:
    """A route's `openapi_extensions`, where its class is another than its scope says: see `class_of`."""
    return {EXTENSION: name}


def class_of(route: Route) -> LimitClass | None:
    """What a route counts as: what it says (`limited`), else a read or a write by its scopes; None when it is open.

    So no route is without a limit by being forgotten. A POST that needs a scope to read only is a question, not a
    change.
    """
    scopes = [scope for requirement in route.security or () for scope in requirement.get(BEARER, ())]
    if not scopes:
        return None
    named: LimitClass | None = (route.openapi_extensions or {}).get(EXTENSION)
    reads = route.method == "GET" or all(scope.endswith(":read") for scope in scopes)
    return named or ("read" if reads else "write")


def check_limit(app: APIGatewayHttpResolver, route: Route) -> None:
    """Count the request against its tenant's quota; QuotaExceeded when that is used up."""
    name = class_of(route)
    policy = policy_of(name) if name else None
    if policy is None:
        return
    standing = take(policy, caller(app).tenant_id)
    app.context[_STANDING] = standing or policy
    if standing and not standing.allowed:
        metrics.add_metric(name="QuotaExceeded", unit=MetricUnit.Count, value=1)
        raise QuotaExceeded(policy.name, policy.quota, retry_after=standing.seconds)


def headers(context: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an answer, whatever became of the request. Without DynamoDB nobody knows how many remain."""
    match context.get(_STANDING):
        case Standing() as standing:
            return {"RateLimit-Policy": str(standing.policy), "RateLimit": str(standing)}
        case Policy() as policy:
            return {"RateLimit-Policy": str(policy)}
    return {}


def policy_of(name: LimitClass) -> Policy | None:
    """The class's policy in this deployment; None when it is free."""
    limits = settings.of(settings.Limits)
    quotas = {"read": limits.reads_per_minute, "write": limits.writes_per_minute, "bulk": limits.bulk_per_minute}
    return Policy(name, quotas[name]) if quotas[name] else None


def take(policy: Policy, tenant_id: str, clock: Callable[[], float] = time.time) -> Standing | None:
    """One request of the tenant's; None when DynamoDB does not say, and then it may go on. `clock` in seconds."""
    table = settings.of(settings.Cache).cache_table
    if dynamodb.is_resting(table):
        return None
    now = int(clock() * _MICRO)
    key = f"~{policy.name}:{tenant_id}"  # no namespace, generation or mark of the cache begins so
    arrival, taken = _Memory.arrivals.get(key, 0), False
    try:
        # Two writes at most, but for a race: then three, as an arrival time that has passed `now` stays beyond it.
        while not taken and arrival <= now + _WINDOW - policy.step:
            arrival, taken = _move(key, policy, now, busy=arrival >= now)
            _remember(key, arrival)
    except aws.errors() as error:
        dynamodb.rest(table)
        logger.warning("not limited", extra={"policy": policy.name, "reason": str(error)})
        return None
    left = now + _WINDOW - arrival
    remaining = max(0, left // policy.step) if taken else 0
    until_more = (remaining + 1) * policy.step - left
    return Standing(policy, taken, remaining, -(-until_more // _MICRO))


def _move(key: str, policy: Policy, now: int, *, busy: bool) -> tuple[int, bool]:
    """Move the bucket's arrival time on by a step; where it is then, and whether that was done."""
    if busy:
        change, condition = "arrival = arrival + :step", "arrival BETWEEN :now AND :latest"
        values = {":step": policy.step, ":now": now, ":latest": now + _WINDOW - policy.step}
    else:
        change, condition = "arrival = :next", "attribute_not_exists(arrival) OR arrival < :now"
        values = {":next": now + policy.step, ":now": now}
    values[":expires_at"] = now // _MICRO + 2 * WINDOW_SECONDS
    numbers: dict[str, AttributeValueTypeDef] = {name: {"N": str(value)} for name, value in values.items()}
    try:
        answer = aws.client("dynamodb").update_item(
            TableName=settings.of(settings.Cache).cache_table,
            Key={"pk": {"S": key}},
            UpdateExpression=f"SET {change}, expires_at = :expires_at",
            ConditionExpression=condition,
            ExpressionAttributeValues=numbers,
            ReturnValues="UPDATED_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except aws.errors() as error:
        if aws.error_code(error) != "ConditionalCheckFailedException":
            raise
        there: dict[str, Any] = getattr(error, "response", {}).get("Item", {})
        return int(there["arrival"]["N"]) if there else 0, False
    return int(answer["Attributes"]["arrival"]["N"]), True


def _remember(key: str, arrival: int) -> None:
    """The last KEPT_BUCKETS; a tenant that was forgotten costs one more write."""
    if len(_Memory.arrivals) >= KEPT_BUCKETS and key not in _Memory.arrivals:
        del _Memory.arrivals[next(iter(_Memory.arrivals))]
    _Memory.arrivals[key] = arrival
