"""Many clients who steer one task at random, all at once: whatever they do, its history is one that the table allows.

Hypothesis makes up what they ask for, in rounds; after each round the rows are held against the rules. STEERING_ROUNDS
and STEERING_CLIENTS make it longer and wilder than the checks' own: 80 rounds of 100 clients take more than a minute.
"""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from local.running import Answer, eventually
from longhaul.tasks.model import TRANSITIONS, Status, Transition
from tests.observation import KIND, Observer, Row, path_of
from tests.providing import Provider

ROUNDS = int(os.environ.get("STEERING_ROUNDS", "4"))
CLIENTS = int(os.environ.get("STEERING_CLIENTS", "16"))
RUNS = 2
LANE, NEIGHBOURS = 2, 4  # the task's lane, and other tasks that want its places too
FOREVER = (Status.SUCCEEDED, Status.CANCELLED)
ENDED = (Status.FAILED, *FOREVER)
FAILING = dict.fromkeys(("640104", "640105", "640106"), "wrong_schema")  # more than a tenth of 宁夏
LATENCY_MS = 100

PRIORITIES = ("low", "normal", "high", "urgent")
CROWD = st.lists(st.sampled_from(("pause", "resume", "retry", *PRIORITIES)), min_size=2, max_size=CLIENTS)


class Steering(RuleBasedStateMachine):
    """A task, a crowd of clients, and the task's neighbours in its lane."""

    observer: Observer
    provider: Provider
    pool: ThreadPoolExecutor
    task_id = ""

    @initialize()
    def begin(self) -> None:
        self.written: dict[str, Row] = {}
        self.provider.control(latency_ms=LATENCY_MS)
        self.another()
        for _ in range(NEIGHBOURS):
            self.observer.submit("香港")
        for action in ("pause", "resume"):  # all of them want the same, so nobody is refused
            self.going()
            assert {answer.status for answer in self.ask([action] * CLIENTS)} == {200}

    @rule(crowd=CROWD)
    def steer(self, crowd: list[str]) -> None:
        self.going()
        self.check(self.ask(crowd))

    @rule(crowd=CROWD)
    def steer_to_failure(self, crowd: list[str]) -> None:
        """While the model fails it, until it has failed; of all who then retry it at once, one does."""
        self.provider.control(fail_keys=FAILING, latency_ms=LATENCY_MS)
        self.going()
        self.check(self.ask(crowd))
        self.ask(["resume"])
        eventually(lambda: self.status() in ENDED, 60)
        self.provider.control(latency_ms=LATENCY_MS)
        if self.status() == Status.FAILED:
            answers = self.ask(["retry"] * CLIENTS)
            assert Counter(answer.status for answer in answers) == {200: 1, 409: CLIENTS - 1}
            self.check(answers)

    @rule(crowd=CROWD)
    def cancel(self, crowd: list[str]) -> None:
        """In the middle of what the others ask for."""
        self.going()
        self.check(self.ask([*crowd, "cancel", *crowd]))

    @rule()
    def let_it_work(self) -> None:
        self.going()
        done = len(self.observer.done(self.task_id))
        eventually(lambda: self.status() in ENDED or len(self.observer.done(self.task_id)) > done + 3, 60)

    @invariant()
    def every_history_is_allowed(self) -> None:
        statuses = assert_allowed(self.observer.sql("SELECT * FROM task_events ORDER BY id"))
        for row in self.observer.sql("SELECT task_id, status FROM tasks"):
            # It may have moved on between the two looks, but never from where a task stays.
            was = statuses.get(row["task_id"], Status.PENDING)
            assert was not in FOREVER or row["status"] == was

    @invariant()
    def what_is_written_stays(self) -> None:
        """No step's write happens twice: one that has succeeded never changes."""
        now = {key: step for key, step in self.observer.steps(self.task_id).items() if step["status"] == "SUCCEEDED"}
        kept = {key: step for key, step in self.written.items() if step["task_id"] == self.task_id}
        assert {key: now.get(key) for key in kept} == kept
        self.written = now

    def teardown(self) -> None:
        self.ask(["resume", "cancel"])

    def going(self) -> None:
        """A task that runs: this one, resumed or retried if need be, or else another."""
        if self.status() in FOREVER:
            self.another()
        self.ask(["resume", "retry"])
        eventually(lambda: self.status() in (Status.RUNNING, *ENDED), 60, pause=0.02)

    def another(self) -> None:
        self.task_id = self.observer.submit("宁夏")
        self.observer.request("PATCH", path_of(self.task_id), json={"priority": "urgent"})

    def ask(self, asked: Sequence[str]) -> list[Answer]:
        """All at once."""
        return list(self.pool.map(self.request, asked))

    def request(self, asked: str) -> Answer:
        if asked in PRIORITIES:
            return self.observer.request("PATCH", path_of(self.task_id), json={"priority": asked})
        return self.observer.steer(self.task_id, asked)

    def check(self, answers: Sequence[Answer]) -> None:
        """Each was obeyed, or refused with what may be asked for instead."""
        for answer in answers:
            told = answer.json()
            assert answer.status in (200, 409), told
            assert isinstance(told["allowed_actions"], list)
            assert answer.status == 200 or (
                told["code"] == "illegal_transition" and told["task_status"] in list(Status)
            )

    def status(self) -> str:
        return str(self.observer.task(self.task_id)["status"])


def assert_allowed(events: Sequence[Row]) -> dict[str, str]:
    """Each event is a move that the table has from where its task was, and the lane holds; where each task came to.

    The events of one task are numbered in their order, and none starts before the end that made room for it.
    """
    statuses: dict[str, str] = {}
    attempts: Counter[str] = Counter()
    for event in events:
        task_id, was = event["task_id"], statuses.get(event["task_id"], Status.PENDING)
        assert was not in FOREVER, f"{task_id} was {was}, then {event['event']}"
        if event["event"] in list(Transition):
            move = TRANSITIONS[Transition(event["event"])]
            assert was in move.sources, f"{task_id} was {was}, then {event['event']}"
            statuses[task_id] = move.target
        attempts[task_id] += event["event"] == Transition.START
        assert (event["status"], event["attempt"]) == (statuses.get(task_id, was), attempts[task_id])
        assert Counter(statuses.values())[Status.RUNNING] <= LANE
    return statuses


def test_whatever_a_crowd_of_clients_asks_for_its_task_only_makes_moves_that_are_allowed(
    observer: Observer, provider: Provider
) -> None:
    observer.sql("UPDATE lanes SET max_concurrent = %s WHERE kind = %s", LANE, KIND)
    asked = settings(
        max_examples=RUNS,
        stateful_step_count=ROUNDS,
        deadline=None,
        database=None,
        derandomize="STEERING_ROUNDS" not in os.environ,
        phases=[Phase.generate],  # what two threads did once cannot be made smaller
        suppress_health_check=list(HealthCheck),
    )
    with ThreadPoolExecutor(CLIENTS) as pool:
        Steering.observer, Steering.provider, Steering.pool = observer, provider, pool
        run_state_machine_as_test(Steering, settings=asked)
    observer.settle()
    events = observer.sql("SELECT * FROM task_events ORDER BY id")
    assert_allowed(events)

    # AND they were heard
    assert {event["event"] for event in events} >= {"started", "changed", "paused", "resumed"}
