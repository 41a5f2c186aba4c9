"""The page cache: answers kept in DynamoDB, forgotten a whole scope at a time with one write.

An entry `{namespace}:{version}:{key}` carries the generation its scope had before it was made. Entry and generation
come in one BatchGetItem; when they differ the entry is stale, so invalidating a scope is one UpdateItem however many
entries it has. The generation is read *before* `load` runs: what is loaded while a scope is being invalidated is
stored under the old generation and never served.

A writer invalidates after its commit. DynamoDB being away means a miss and a warning, never an error; an
invalidation that it missed is made good by the entry's time to live, which is why each namespace names a tier.
"""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, settings
from longhaul.observability import logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type Item = Mapping[str, AttributeValueTypeDef]

MAX_ENTRY_BYTES = 350_000  # an item may have 400 KB, names and all
COMPRESS_OVER_BYTES = 1_024
GENERATION_TTL = 62 * 86_400  # twice the longest tier: no entry outlives the generation it was made from
REST_SECONDS = 5.0  # how long DynamoDB is left alone after it failed, so that not every request waits for it


class Tier(IntEnum):
    """How long an entry lives, in seconds."""

    short = 60
    medium = 300
    long = 900
    very_long = 3_600
    day = 86_400
    week = 7 * 86_400
    month = 31 * 86_400


@dataclass(frozen=True, slots=True)
class Namespace:
    """A family of entries. Count `version` up when the shape of their values changes."""

    name: str
    version: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class Cached[T]:
    """A value and whether it came from the cache."""

    value: T
    hit: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """What the table holds for a key: its scope's generation, and the entry if it has not expired."""

    generation: str
    entry: Item | None


def read[T](
    namespace: Namespace, key: str, scope: str, load: Callable[[], T], *, clock: Callable[[], float] = time.time
) -> Cached[T]:
    """The cached value of `key`, else what `load` gives, which is then stored for the namespace's tier.

    A value is JSON (dicts, lists, texts, numbers, booleans, None): TypeError otherwise. `scope` is what `invalidate`
    forgets; `clock` gives seconds since the epoch. DynamoDB raises nothing here; `load` may.
    """
    name = f"{namespace.name}:{namespace.version}:{key}"
    found = _fetch(name, scope, clock())
    if found and found.entry and found.entry["generation"]["N"] == found.generation:
        _count("CacheHit")
        return Cached(_decode(found.entry), hit=True)
    _count("CacheStale" if found and found.entry else "CacheMiss")
    value = load()
    if found:
        _store(name, found.generation, value, int(clock()) + namespace.tier)
    return Cached(value, hit=False)


def invalidate(*scopes: str) -> None:
    """Forget every entry of these scopes: one write each. Call it after the commit that changed what they show."""
    now = int(time.time())
    for scope in scopes:
        try:
            aws.client("dynamodb").update_item(
                TableName=_table(),
                Key={"pk": {"S": _generation_of(scope)}},
                # Starting from the time, not from 0: a generation that expired must not come back with a number that
                # an entry still carries.
                UpdateExpression="SET generation = if_not_exists(generation, :now) + :one, expires_at = :expires_at",
                ExpressionAttributeValues={
                    ":now": {"N": str(now)},
                    ":one": {"N": "1"},
                    ":expires_at": {"N": str(now + GENERATION_TTL)},
                },
            )
        except aws.errors() as error:
            logger.warning("cache not invalidated", extra={"scope": scope, "reason": str(error)})


class _Rest:
    """Until when DynamoDB is left alone: one an execution environment, like the client it spares."""

    until = 0.0


def _fetch(name: str, scope: str, now: float) -> _Found | None:
    """Entry and generation; None when DynamoDB does not give both."""
    if time.monotonic() < _Rest.until:
        return None
    generation_name = _generation_of(scope)
    try:
        items = _get(name, generation_name)
    except aws.errors() as error:
        _Rest.until = time.monotonic() + REST_SECONDS
        logger.warning("cache not read", extra={"key": name, "reason": str(error)})
        return None
    if items is None:
        logger.warning("cache not read", extra={"key": name, "reason": "keys left unprocessed twice"})
        return None
    # DynamoDB deletes an expired item hours later: until then it is absent all the same.
    alive = {item["pk"]["S"]: item for item in items if float(item["expires_at"]["N"]) > now}
    generation = alive.get(generation_name)
    return _Found(generation["generation"]["N"] if generation else "0", alive.get(name))


def _get(*names: str) -> list[Item] | None:
    """The items of those names that exist; None when DynamoDB left some out twice."""
    table = _table()
    wanted: Any = [{"pk": {"S": name}} for name in names]
    items: list[Item] = []
    for _ in range(2):
        # Consistent: an older generation would vouch for an entry that was invalidated a moment ago.
        asked: Any = {table: {"Keys": wanted, "ConsistentRead": True}}
        answer = aws.client("dynamodb").batch_get_item(RequestItems=asked)
        items += answer["Responses"].get(table, [])
        if table not in answer["UnprocessedKeys"]:
            return items
        wanted = answer["UnprocessedKeys"][table]["Keys"]
    return None


def _store(name: str, generation: str, value: object, expires_at: int) -> None:
    encoded = _encode(value)
    if len(encoded) > MAX_ENTRY_BYTES:
        logger.info("too large to cache", extra={"key": name, "bytes": len(encoded)})
        return
    try:
        aws.client("dynamodb").put_item(
            TableName=_table(),
            Item={
                "pk": {"S": name},
                "generation": {"N": generation},
                "value": {"B": encoded},
                "expires_at": {"N": str(expires_at)},
            },
        )
    except aws.errors() as error:
        logger.warning("cache not written", extra={"key": name, "reason": str(error)})


def _encode(value: object) -> bytes:
    """Compact JSON, deflated when that pays; deflated bytes begin with 0x78, which no JSON does."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.compress(text) if len(text) > COMPRESS_OVER_BYTES else text


def _decode(entry: Item) -> Any:
    stored = entry["value"]["B"]
    return json.loads(zlib.decompress(stored) if stored.startswith(b"\x78") else stored)


def _generation_of(scope: str) -> str:
    """Entries' names begin with a namespace, so this can be none of theirs."""
    return f"@{scope}"


def _table() -> str:
    name: str = settings.of(settings.Cache).cache_table
    return name


def _count(outcome: str) -> None:
    metrics.add_metric(name=outcome, unit=MetricUnit.Count, value=1)
