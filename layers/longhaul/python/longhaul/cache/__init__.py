"""The page cache: answers kept in DynamoDB, forgotten a whole tag at a time with one write.

An entry `{namespace}:{version}:{key}` carries the generation its tag had before it was made. Entry and generation come
in one BatchGetItem; when they differ the entry is stale, so invalidating a tag is one write however many entries it
has. The generation is read *before* `load` runs: what is loaded while a tag is being invalidated is stored under the
old generation and never served.

A writer invalidates after its commit. DynamoDB being away means a miss and a warning, never an error; an invalidation
that it missed is made good by the entry's time to live, which is why each namespace names a tier.

An entry may have been made by another version of the code. One that this version cannot read is a miss.

A *mark* (`longhaul.cache.debounce`) tells of the world beside the entries, such as when a provider was last asked.
It is read in the same BatchGetItem and changes without any entry becoming stale.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws, settings
from longhaul.aws import dynamodb
from longhaul.cache.compression import UNREADABLE, pack, unpack
from longhaul.cache.debounce import Item, Mark, key_of, mark_of
from longhaul.observability import logger, metrics
from longhaul.timing import Group, timings

MAX_ENTRY_BYTES = 350_000  # an item may have 400 KB, names and all
GENERATION_TTL = 62 * 86_400  # twice the longest tier: no entry outlives the generation it was made from


class Tier(IntEnum):
    """How long an entry lives, in seconds."""

    short = 60
    medium = 300
    long = 900
    very_long = 3_600
    day = 86_400
    week = 7 * 86_400
    month = 31 * 86_400


@dataclass(frozen=True)
class Namespace:
    """A family of entries. Count `version` up when the shape of their values changes."""

    name: str
    version: int
    tier: Tier


@dataclass(frozen=True)
class Cached[T]:
    """A value, whether it came from the cache, and by name those of the wanted marks that exist."""

    value: T
    hit: bool
    marks: Mapping[str, Mark] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """What the table holds for a key: its tag's generation, the entry if it has not expired, and the marks."""

    generation: str
    entry: Item | None
    marks: Mapping[str, Mark]


def read[T](
    namespace: Namespace,
    key: str,
    tag: str,
    load: Callable[[], object],
    *,
    parse: Callable[[Any], T] = lambda value: value,
    marks: Sequence[str] = (),
    fresh: bool = False,
    clock: Callable[[], float] = time.time,
) -> Cached[T]:
    """The cached value of `key`, else what `load` gives, which is then stored for the namespace's tier.

    A value is JSON (dicts, lists, texts, numbers, booleans, None): TypeError otherwise. `parse` makes of it what is
    returned; what it cannot read in an entry is loaded anew. `tag` is what `invalidate` forgets; `fresh` passes over
    the entry and replaces it; `clock` gives seconds since the epoch. DynamoDB raises nothing here; `load` may.
    """
    name = f"{namespace.name}:{namespace.version}:{key}"
    found = _fetch(name, tag, marks, clock())
    if not fresh and found and found.entry and found.entry["generation"]["N"] == found.generation:
        try:
            hit = Cached(parse(unpack(found.entry["value"]["B"])), hit=True, marks=found.marks)
        except UNREADABLE as error:
            logger.info("cached by another version", extra={"key": name, "reason": str(error)})
        else:
            _count("CacheHit")
            return hit
    if not fresh:
        _count("CacheStale" if found and found.entry else "CacheMiss")
    value = load()
    if found:
        _store(name, found.generation, value, int(clock()) + namespace.tier)
    return Cached(parse(value), hit=False, marks=found.marks if found else {})


def invalidate(*tags: str) -> None:
    """Forget every entry of these tags, 25 a request. Call it after the commit that changed what they show.

    Each tag gets a generation it never had: the time in nanoseconds. One that expired comes back with a later one.
    """
    now = time.time_ns()
    expires_at = now // 1_000_000_000 + GENERATION_TTL
    dynamodb.write_all(
        _table(),
        (
            {
                "PutRequest": {
                    "Item": {
                        "pk": {"S": _generation_of(tag)},
                        "generation": {"N": str(now)},
                        "expires_at": {"N": str(expires_at)},
                    }
                }
            }
            for tag in sorted(set(tags))
        ),
    )


def _fetch(name: str, tag: str, marks: Sequence[str], now: float) -> _Found | None:
    """Entry, generation and marks; None when DynamoDB does not give them."""
    if dynamodb.is_resting(_table()):
        return None
    generation_name = _generation_of(tag)
    try:
        items = _get(name, generation_name, *map(key_of, marks))
    except aws.errors() as error:
        dynamodb.rest(_table())
        logger.warning("cache not read", extra={"key": name, "reason": str(error)})
        return None
    if items is None:
        logger.warning("cache not read", extra={"key": name, "reason": "keys left unprocessed twice"})
        return None
    # DynamoDB deletes an expired item hours later: until then it is absent all the same.
    alive = {item["pk"]["S"]: item for item in items if float(item["expires_at"]["N"]) > now}
    generation = alive.get(generation_name)
    there = {mark: mark_of(alive[key_of(mark)]) for mark in marks if key_of(mark) in alive}
    return _Found(generation["generation"]["N"] if generation else "0", alive.get(name), there)


def _get(*names: str) -> list[Item] | None:
    """The items of those names that exist; None when DynamoDB left some out twice."""
    table = _table()
    wanted: Any = [{"pk": {"S": name}} for name in names]
    items: list[Item] = []
    for _ in range(2):
        # Consistent: an older generation would vouch for an entry that was invalidated a moment ago.
        request: Any = {table: {"Keys": wanted, "ConsistentRead": True}}
        answer = aws.client("dynamodb").batch_get_item(RequestItems=request)
        items += answer["Responses"].get(table, [])
        if table not in answer["UnprocessedKeys"]:
            return items
        wanted = answer["UnprocessedKeys"][table]["Keys"]
    return None


def _store(name: str, generation: str, value: object, expires_at: int) -> None:
    encoded = pack(value)
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


def _generation_of(tag: str) -> str:
    """Its key. An entry's begins with a namespace, so this can be none of theirs."""
    return f"@{tag}"


def _table() -> str:
    name: str = settings.of(settings.Cache).cache_table
    return name


def _count(outcome: str) -> None:
    metrics.add_metric(name=outcome, unit=MetricUnit.Count, value=1)
    timings.measure(Group.cache, outcome)
