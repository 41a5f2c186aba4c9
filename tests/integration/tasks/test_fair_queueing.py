"""Tenants take turns in a lane: whoever floods it does not make another wait, weights hold, and priority goes first."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longhaul import database as longhaul_database
from longhaul.tasks import dispatch as dispatching
from longhaul.tasks import lanes, lifecycle, store
from longhaul.tasks.changes import Wish
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Priority, Task
from tests.calling import at_once

type Sql = Callable[..., list[dict[str, Any]]]

KIND = "hospital_province_refresh"
COLUMNS = (
    "task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries, request_digest,"
    " run_after, created_at, updated_at"
)
ROW = (
    "(%s, %s, 'ada', 'hospital_province_refresh', '广东省刷新', '{}', 'PENDING', %s, 3, '',"
    " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
)


class Lane:
    """The lane of KIND: tasks are put into it, and served one after the other."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._put = 0
        self.reset()

    def reset(self, max_concurrent: int = 1) -> None:
        self._sql("DELETE FROM tasks")
        self._sql("DELETE FROM lane_tenants")
        self._sql("UPDATE lanes SET turn = 0, max_concurrent = %s WHERE kind = %s", max_concurrent, KIND)

    def put(self, tenant_id: str, number: int = 1, priority: Priority = Priority.normal) -> None:
        """So many tasks of the tenant, waiting.

        The embedded engine may show another connection's committed rows some milliseconds late, so this waits until
        the code under test sees them.
        """
        names = [f"task-{self._put + place}" for place in range(number)]
        self._put += number
        values = [value for name in names for value in (name, tenant_id, int(priority))]
        self._sql(f"INSERT INTO tasks ({COLUMNS}) VALUES {', '.join([ROW] * number)}", *values)
        waiting = self._sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'PENDING'")[0]["n"]
        until = time.monotonic() + 5
        while len(self.ranked()) < waiting and time.monotonic() < until:
            time.sleep(0.001)

    def ranked(self) -> list[dispatching.Ranked]:
        with longhaul_database.connection() as session:
            return dispatching.rank_waiting(session, KIND, 10_000)

    def weigh(self, **weights: int) -> None:
        lanes.change_lane(KIND, lanes.LaneChange(weights=weights), "acme")

    def start(self) -> list[Task]:
        """What the dispatcher starts now."""
        with longhaul_database.transaction() as tx:
            taken = dispatching.take(tx, KIND)
            if taken:
                store.start(tx, taken, execution_prefix="x:", seconds_allowed=60)
        return taken

    def end(self) -> None:
        self._sql("UPDATE tasks SET status = 'SUCCEEDED' WHERE status = 'RUNNING'")

    def serve(self, rounds: int) -> list[Task]:
        """What is started in so many rounds, each of which ends before the next."""
        served = []
        for _ in range(rounds):
            served += self.start()
            self.end()
        return served

    def positions(self) -> dict[int, int | None]:
        waiting = self._sql("SELECT task_id FROM tasks WHERE status = 'PENDING'")
        with longhaul_database.connection() as session:
            tasks = [store.fetch(session, row["task_id"]) for row in waiting]
            return {task.id: store.find_position(session, task.kind, task.id) for task in tasks if task}


@pytest.fixture
def lane(sql: Sql) -> Lane:
    return Lane(sql)


def tenants(tasks: Sequence[Task]) -> list[str]:
    return [task.tenant_id for task in tasks]


@pytest.mark.parametrize("places", [1, 5])
def test_a_tenants_one_task_does_not_wait_for_anothers_thousand(lane: Lane, places: int) -> None:
    lane.reset(places)
    lane.put("flood", 1000)
    lane.serve(3)
    lane.put("drop")
    order = tenants(lane.serve(1 if places > 1 else 2))
    assert "drop" in order[:2]


def test_of_two_who_wait_each_is_served_as_often_as_its_weight_says(lane: Lane) -> None:
    lane.weigh(three=3)
    lane.put("one", 50)
    lane.put("three", 50)
    order = tenants(lane.serve(40))
    assert Counter(order) == {"three": 30, "one": 10}
    # AND not in bursts: between two turns of the light one, the heavy one has about three
    places = [place for place, tenant in enumerate(order) if tenant == "one"]
    assert {later - earlier for earlier, later in pairwise(places)} <= {3, 4, 5}  # who stand at one place, as thirds go


def test_several_places_at_once_are_shared_too(lane: Lane) -> None:
    lane.reset(4)
    lane.put("a", 20)
    lane.put("b", 20)
    lane.put("c", 1)
    assert Counter(tenants(lane.start())) == {"a": 2, "b": 1, "c": 1}


def test_who_was_away_has_no_credit_for_it(lane: Lane) -> None:
    lane.put("there", 60)
    lane.put("away", 1)
    lane.serve(50)
    lane.put("away", 20)
    order = tenants(lane.serve(10))
    assert Counter(order) == {"there": 5, "away": 5}


def test_who_was_served_alone_has_no_debt_for_it(lane: Lane) -> None:
    # GIVEN a tenant that had the lane for itself, and then left it
    lane.put("alone", 30)
    lane.serve(30)
    # WHEN another comes with much, and then the first with one
    lane.put("other", 30)
    lane.serve(5)
    lane.put("alone")
    # THEN it is not made to wait until the other has caught up
    assert "alone" in tenants(lane.serve(2))


def test_the_lanes_time_does_not_go_back_for_an_urgent_task_from_further_behind(lane: Lane, sql: Sql) -> None:
    # GIVEN a lane whose time is 50, at which its tenants stand
    sql("UPDATE lanes SET turn = 50 WHERE kind = %s", KIND)

    # WHEN what was started stood before that
    with longhaul_database.transaction() as tx:
        dispatching.advance(tx, KIND, 45.0, {"acme": 46.0})

    # THEN the lane's time stays: who comes now does not stand before those who wait
    assert sql("SELECT turn FROM lanes WHERE kind = %s", KIND) == [{"turn": 50.0}]
    assert sql("SELECT turn FROM lane_tenants") == [{"turn": 46.0}]

    # AND it goes on with what stands behind it
    with longhaul_database.transaction() as tx:
        dispatching.advance(tx, KIND, 51.0, {"acme": 52.0})
    assert sql("SELECT turn FROM lanes WHERE kind = %s", KIND) == [{"turn": 51.0}]
    assert sql("SELECT turn FROM lane_tenants") == [{"turn": 52.0}]


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (3.0, [5.0, 6.0]),  # away for long: it stands at the lane's time
        (9.0, [9.0, 10.0]),  # served ahead of the lane's time: it stands where its last turn left it
        (None, [5.0, 6.0]),  # never served here
    ],
)
def test_a_tenant_stands_at_its_own_turn_and_never_before_the_lanes_time(
    lane: Lane, sql: Sql, turn: float | None, expected: list[float]
) -> None:
    lane.put("acme", 2)
    sql("UPDATE lanes SET turn = 5 WHERE kind = %s", KIND)
    if turn is not None:
        sql("INSERT INTO lane_tenants (kind, tenant_id, weight, turn) VALUES (%s, 'acme', 1, %s)", KIND, turn)
    with longhaul_database.connection() as session:
        ranked = dispatching.rank_waiting(session, KIND, 10)
    assert [place.tag for place in ranked] == expected


def test_priority_outranks_turns(lane: Lane) -> None:
    lane.put("a", 2, Priority.normal)
    lane.put("b", 3, Priority.high)
    lane.put("c", 1, Priority.low)
    lane.put("c", 1, Priority.urgent)
    order = lane.serve(8)
    assert [task.priority.name for task in order] == ["urgent", "high", "high", "high", "normal", "normal", "low"]


def test_a_flood_of_urgent_tasks_does_not_make_anothers_urgent_one_wait(lane: Lane) -> None:
    lane.put("flood", 100, Priority.urgent)
    lane.serve(10)
    lane.put("drop", 1, Priority.urgent)
    assert "drop" in tenants(lane.serve(2))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    weights=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    places=st.integers(1, 3),
    before=st.lists(st.integers(0, 6), min_size=4, max_size=4),
)
def test_nobody_gets_ahead_of_his_share(lane: Lane, weights: list[int], places: int, before: list[int]) -> None:
    """The theorem of start-time fair queueing: while two tenants wait, what they were served, each over its weight,
    differs by no more than one task of each.
    """
    # GIVEN a lane with a past: each tenant was served something else
    lane.reset(places)
    shares = {f"tenant-{place}": weight for place, weight in enumerate(weights)}
    lane.weigh(**shares)
    for tenant, number in zip(shares, before, strict=False):
        if number:
            lane.put(tenant, number)
    lane.serve(sum(before))

    # WHEN all have much that waits
    for tenant in shares:
        lane.put(tenant, 25)
    served = Counter(dict.fromkeys(shares, 0))
    for task in lane.serve(18 // places):
        served[task.tenant_id] += 1
        # THEN at each moment none is further ahead of another than one task of each
        for one, weight in shares.items():
            for other, share in shares.items():
                assert served[one] / weight - served[other] / share <= 1 / weight + 1 / share + 1e-9
    # AND nobody starves
    assert min(served.values()) > 0 or sum(served.values()) < 2 * sum(weights)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    put=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from(Priority)), min_size=1, max_size=6
    ),
    weight=st.integers(1, 4),
    past=st.integers(0, 4),
)
def test_the_place_in_the_queue_is_that_in_which_tasks_are_picked(
    lane: Lane, put: list[tuple[str, int, Priority]], weight: int, past: int
) -> None:
    lane.reset()
    lane.weigh(b=weight)
    lane.put("a", 5)
    lane.serve(past)
    for tenant, number, priority in put:
        lane.put(tenant, number, priority)
    positions = lane.positions()
    ranked = lane.ranked()
    assert positions == {place.id: number for number, place in enumerate(ranked, 1)}
    # AND so they start, of one priority at least: to be served moves a lane's time for those of a lower one
    if len({priority for *_, priority in put} | {Priority.normal}) == 1:
        assert [task.id for task in lane.serve(len(ranked))] == sorted(positions, key=lambda id_: positions[id_] or 0)


def test_a_changed_priority_changes_the_place_in_the_queue(lane: Lane) -> None:
    lane.put("acme", 5)
    last = max(lane.positions())
    assert lane.positions()[last] == 5
    with longhaul_database.connection() as session:
        task = next(task for task in store.fetch_all(session, [last]))
    lifecycle.change(task.task_id, "acme", Wish(priority=Priority.high))
    assert lane.positions()[last] == 1
    assert [task.id for task in lane.start()] == [last]


def test_what_may_not_start_now_has_no_place_and_takes_none(lane: Lane, sql: Sql) -> None:
    lane.put("acme", 3)
    first, second, third = sorted(lane.positions())
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(HOUR, 1, UTC_TIMESTAMP(6)) WHERE id = %s", first)
    sql("UPDATE tasks SET deadline = TIMESTAMPADD(SECOND, -1, UTC_TIMESTAMP(6)) WHERE id = %s", second)
    assert lane.positions() == {first: None, second: None, third: 1}
    assert [task.id for task in lane.start()] == [third]


def test_one_that_is_cancelled_between_being_ranked_and_being_started_is_not_started(
    lane: Lane, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane.reset(2)
    lane.put("acme", 3)
    first = min(lane.positions())
    rank = dispatching.rank_waiting

    def cancelled_first(*asked: Any) -> Any:
        ranked = rank(*asked)
        sql("UPDATE tasks SET status = 'CANCELLED' WHERE id = %s", first)
        return ranked

    monkeypatch.setattr(dispatching, "rank_waiting", cancelled_first)
    assert [task.id for task in lane.start()] == [first + 1]
    assert sql("SELECT status FROM tasks ORDER BY id")[0] == {"status": "CANCELLED"}


def test_dispatchers_that_race_keep_to_the_turns(lane: Lane, sql: Sql) -> None:
    lane.reset(6)
    lane.put("a", 30)
    lane.put("b", 30)
    barrier = threading.Barrier(4)

    def race() -> None:
        barrier.wait()
        dispatch([KIND])

    at_once(4, race)
    running = sql("SELECT tenant_id, COUNT(*) AS n FROM tasks WHERE status = 'RUNNING' GROUP BY tenant_id")
    assert {row["tenant_id"]: row["n"] for row in running} == {"a": 3, "b": 3}
