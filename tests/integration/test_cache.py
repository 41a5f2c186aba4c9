"""The page cache against DynamoDB's API over HTTP: hits, generations, and DynamoDB being away, slow or late."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from longhaul import aws, cache, settings
from longhaul.aws import dynamodb
from longhaul.cache import Namespace, Tier
from longhaul.observability import metrics
from tests.integration.conftest import make_table

TABLE = "cache-under-test"
CITIES = Namespace("cities", 1, Tier.long)
NOW = 1_700_577_052.0


class Source:
    """What the database would answer; counts how often it was asked."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        return self.value


@pytest.fixture(scope="module")
def table(moto_server: str) -> str:
    make_table(TABLE, "pk", endpoint_url=moto_server, aws_access_key_id="test", aws_secret_access_key="test")
    return moto_server


@pytest.fixture(autouse=True)
def at(table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """at(url) points the functions' own client somewhere; at the server to begin with."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("CACHE_TABLE", TABLE)

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        aws._client.cache_clear()
        dynamodb._Memory.rests.clear()

    settings.of.cache_clear()
    metrics.clear_metrics()
    point(table)
    yield point
    settings.of.cache_clear()
    aws._client.cache_clear()
    metrics.clear_metrics()


@pytest.fixture
def scope() -> str:
    """A scope, and with it keys, that no other test uses."""
    return f"scope-{random.getrandbits(64):x}"


def counted() -> dict[str, int]:
    return {name: len(metric["Value"]) for name, metric in metrics.metric_set.items()}


def stored(key: str) -> dict[str, Any]:
    return aws.client("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": f"cities:1:{key}"}}).get("Item", {})


@pytest.mark.parametrize(
    "value",
    [
        {"items": [{"名": "越秀区", "n": 18}], "total": 1},
        [],
        {},
        None,
        False,
        0,
        "文",
        [1.5, None, {"a": ["x" * 5000]}],
    ],
)
def test_a_value_comes_back_as_it_went_in(scope: str, value: Any) -> None:
    source = Source(value)
    first = cache.read(CITIES, scope, scope, source)
    second = cache.read(CITIES, scope, scope, source)
    assert (first.value, first.hit) == (value, False)
    assert (second.value, second.hit) == (value, True)
    assert source.asked == 1
    assert counted() == {"CacheMiss": 1, "CacheHit": 1}


def test_keys_versions_and_namespaces_are_apart(scope: str) -> None:
    places = [
        (CITIES, "a"),
        (CITIES, "b"),
        (Namespace("cities", 2, Tier.long), "a"),
        (Namespace("towns", 1, Tier.long), "a"),
    ]
    for number, (namespace, key) in enumerate(places):
        assert cache.read(namespace, f"{scope}:{key}", scope, Source(number)) == cache.Cached(number, hit=False)
    for number, (namespace, key) in enumerate(places):
        assert cache.read(namespace, f"{scope}:{key}", scope, Source("new")) == cache.Cached(number, hit=True)


def test_invalidating_a_scope_forgets_all_its_entries_and_no_other(scope: str) -> None:
    other = f"{scope}-other"
    for key in ("a", "b"):
        cache.read(CITIES, scope + key, scope, Source("old"))
    cache.read(CITIES, scope + "c", other, Source("old"))
    cache.invalidate(scope, f"{scope}-third")
    metrics.clear_metrics()
    answers = [
        cache.read(CITIES, scope + key, s, Source("new")) for key, s in (("a", scope), ("b", scope), ("c", other))
    ]
    assert [(a.value, a.hit) for a in answers] == [("new", False), ("new", False), ("old", True)]
    assert counted() == {"CacheStale": 2, "CacheHit": 1}
    assert cache.read(CITIES, scope + "a", scope, Source("newer")).hit, "stored again under the new generation"


def test_every_invalidation_counts(scope: str) -> None:
    for number in range(4):
        assert cache.read(CITIES, scope, scope, Source(number)) == cache.Cached(number, hit=False)
        cache.invalidate(scope)


def test_what_was_loaded_during_an_invalidation_is_never_served(scope: str) -> None:
    def loads_while_another_writes() -> str:
        cache.invalidate(scope)
        return "read before the write"

    assert cache.read(CITIES, scope, scope, loads_while_another_writes).value == "read before the write"
    assert cache.read(CITIES, scope, scope, Source("after")) == cache.Cached("after", hit=False)


def test_after_an_invalidation_nobody_sees_what_was_before(
    scope: str, table: str, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers and a writer at once: a read that begins after `invalidate` returned sees that write or a later one."""
    at(table)
    row = {"version": 0}
    known = 0
    wrong: list[tuple[int, int]] = []
    served, done = threading.Event(), threading.Event()

    def reads() -> None:
        while not done.is_set():
            floor = known
            answer = cache.read(CITIES, scope, scope, lambda: row["version"])
            if answer.value < floor:
                wrong.append((floor, answer.value))
            if answer.hit:
                served.set()

    readers = [threading.Thread(target=reads) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for version in range(1, 16):
            row["version"] = version
            cache.invalidate(scope)
            known = version
            served.clear()
            assert served.wait(timeout=60), "no version is served from the cache"
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert wrong == []


@pytest.mark.parametrize("tier", list(Tier))
def test_an_expired_entry_that_is_still_there_is_absent(scope: str, tier: Tier) -> None:
    namespace = Namespace("cities", 1, tier)
    cache.read(namespace, scope, scope, Source("old"), clock=lambda: NOW)
    assert stored(scope)["expires_at"]["N"] == str(int(NOW) + tier)
    assert cache.read(namespace, scope, scope, Source("new"), clock=lambda: NOW + tier - 1).hit
    late = cache.read(namespace, scope, scope, Source("new"), clock=lambda: NOW + tier)
    assert (late.value, late.hit) == ("new", False)


def test_a_generation_that_expired_comes_back_as_another(scope: str) -> None:
    cache.invalidate(scope)
    cache.read(CITIES, scope, scope, Source("old"))
    before = stored(scope)["generation"]
    aws.client("dynamodb").delete_item(TableName=TABLE, Key={"pk": {"S": f"@{scope}"}})
    cache.invalidate(scope)
    cache.invalidate(scope)
    assert cache.read(CITIES, scope, scope, Source("new")).value == "new"
    assert stored(scope)["generation"] != before


def test_the_longest_tier_ends_before_its_generation() -> None:
    assert max(Tier) * 2 <= cache.GENERATION_TTL


def test_long_values_are_deflated_and_too_long_ones_left_out(scope: str) -> None:
    wide = ["越秀区"] * 100_000
    cache.read(CITIES, scope, scope, Source(wide))
    assert len(stored(scope)["value"]["B"]) < 10_000
    noise = f"{random.getrandbits(3_000_000):x}"
    huge = Source(noise)
    for _ in range(2):
        assert cache.read(CITIES, scope + "huge", scope, huge) == cache.Cached(noise, hit=False)
    assert huge.asked == 2
    assert stored(scope + "huge") == {}


def test_what_is_no_json_is_told_at_once(scope: str) -> None:
    with pytest.raises(TypeError):
        cache.read(CITIES, scope, scope, lambda: {1, 2})


def test_an_error_of_the_source_is_the_callers(scope: str) -> None:
    def fails() -> Any:
        raise LookupError(scope)

    with pytest.raises(LookupError, match=scope):
        cache.read(CITIES, scope, scope, fails)
    assert stored(scope) == {}


def test_dynamodb_away_is_a_miss_and_a_warning(
    scope: str, table: str, at: Callable[[str], None], warnings: list[str]
) -> None:
    cache.read(CITIES, scope, scope, Source("cached"))
    metrics.clear_metrics()
    at("http://127.0.0.1:1")
    source = Source("from MySQL")
    for _ in range(3):
        assert cache.read(CITIES, scope, scope, source) == cache.Cached("from MySQL", hit=False)
    cache.invalidate(scope)
    assert source.asked == 3
    assert counted() == {"CacheMiss": 3}
    assert warnings == ["cache not read", "items not written"], "asked once, then left alone for a while"
    at(table)
    assert cache.read(CITIES, scope, scope, source).value == "cached", "and back when it is back"


def test_dynamodb_slow_costs_seconds_once(
    scope: str, at: Callable[[str], None], warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(aws._TIMEOUTS, "dynamodb", (0.5, 1.0, 1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        for _ in range(20):
            assert cache.read(CITIES, scope, scope, Source("from MySQL")).value == "from MySQL"
    assert warnings == ["cache not read"]


def test_no_table_is_a_miss(scope: str, monkeypatch: pytest.MonkeyPatch, warnings: list[str]) -> None:
    monkeypatch.setenv("CACHE_TABLE", "no-such-table")
    settings.of.cache_clear()
    assert cache.read(CITIES, scope, scope, Source("value")) == cache.Cached("value", hit=False)
    assert warnings == ["cache not read"]


@pytest.mark.usefixtures("on_boto3")
def test_unprocessed_keys_are_asked_for_again(scope: str) -> None:
    generation = {"pk": {"S": f"@{scope}"}}
    same = {"generation": {"N": "7"}, "expires_at": {"N": str(int(NOW) + 60)}}
    entry = {"pk": {"S": f"cities:1:{scope}"}, "value": {"B": b'"it"'}, **same}
    with Stubber(aws.client("dynamodb")) as stub:  # moto never leaves a key out
        stub.add_response(
            "batch_get_item",
            {
                "Responses": {TABLE: [entry]},
                "UnprocessedKeys": {TABLE: {"Keys": [generation], "ConsistentRead": True}},
            },
        )
        stub.add_response(
            "batch_get_item",
            {
                "Responses": {TABLE: [generation | same]},
                "UnprocessedKeys": {},
            },
            {"RequestItems": {TABLE: {"Keys": [generation], "ConsistentRead": True}}},
        )
        answer = cache.read(CITIES, scope, scope, Source("other"), clock=lambda: NOW)
    assert answer == cache.Cached("it", hit=True)


@pytest.mark.usefixtures("on_boto3")
def test_keys_left_out_twice_are_a_miss_that_stores_nothing(scope: str, warnings: list[str]) -> None:
    generation = {"pk": {"S": f"@{scope}"}}
    with Stubber(aws.client("dynamodb")) as stub:
        for _ in range(2):
            stub.add_response(
                "batch_get_item",
                {"Responses": {TABLE: []}, "UnprocessedKeys": {TABLE: {"Keys": [generation]}}},
            )
        assert cache.read(CITIES, scope, scope, Source("value")) == cache.Cached("value", hit=False)
    assert warnings == ["cache not read"]
