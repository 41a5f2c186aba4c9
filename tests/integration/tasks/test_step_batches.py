"""Batches of steps: each ends by itself, whatever becomes of the call, its worker, its task or the others."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from longhaul import database as longhaul_database
from longhaul import lifetime
from longhaul.aws.workflows import Attempt
from longhaul.database import connections
from longhaul.errors import (
    AwsUnavailable,
    BadAnswer,
    DatabaseUnavailable,
    OutOfTime,
    ProviderThrottled,
    ProviderUnavailable,
    TaskStopped,
)
from longhaul.tasks import lifecycle, step_batches, steps
from longhaul.tasks.dispatch import dispatch
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.step_batches import AT_ONCE, calls_and_threads, fail_left, run_steps
from longhaul.tasks.steps import PlannedStep, Step
from tests.calling import call, sample

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Sent = Callable[[str], list[dict[str, Any]]]

KEYS = [f"district/44010{number}" for number in range(1, 8)]
FIRST, SECOND, THIRD, *_ = KEYS
STATES = "SELECT step_key, status, attempts, error_code FROM task_steps ORDER BY step_key"


class Killed(BaseException):
    """The worker is gone: nothing of it is caught."""


@pytest.fixture
def attempt(running_task: Running) -> Attempt:
    """A RUNNING task's, with a step planned for each key."""
    task = running_task()
    planned = [PlannedStep(key, "district", f"第 {key[-1]} 区") for key in KEYS]
    with longhaul_database.connection() as session:
        steps.plan_steps(session, task.task_id, 1, planned)
    return Attempt(task_id=task.task_id, attempt=1)


class Work:
    """Completes each step, or does what `faults` says of its key, and notes what was asked."""

    def __init__(self, **faults: Callable[[], object]) -> None:
        self.asked: list[str] = []
        self.faults = {f"district/{key.removeprefix('d')}": fault for key, fault in faults.items()}
        self.most = self._now = 0
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> None:
        with self._lock:
            self.asked.append(step.planned.key)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if fault := self.faults.get(step.planned.key):
                fault()
            step.complete({}, units=1)
        finally:
            with self._lock:
                self._now -= 1


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def run(attempt: Attempt, work: Callable[[Step], object], *, keys: list[str] = KEYS, at_once: int = 1) -> None:
    run_steps(attempt, keys, work, at_once=at_once, seconds=30, doing="正在刷新")


def states(sql: Sql) -> dict[str, tuple[str, int, str | None]]:
    return {row["step_key"]: (row["status"], row["attempts"], row["error_code"]) for row in sql(STATES)}


@pytest.mark.parametrize("at_once", [1, 3, 20])
def test_each_step_of_a_batch_is_done_once_and_announced(attempt: Attempt, sql: Sql, sent: Sent, at_once: int) -> None:
    work = Work()
    run(attempt, work, at_once=at_once)
    assert sorted(work.asked) == KEYS
    assert set(states(sql).values()) == {("SUCCEEDED", 1, None)}
    assert sorted(event["label"] for event in sent("progress")) == [f"正在刷新：第 {key[-1]} 区" for key in KEYS]
    assert work.most <= at_once

    # AND the same batch again does nothing
    run(attempt, work, at_once=at_once)
    assert len(work.asked) == len(KEYS)


def test_so_many_steps_are_worked_at_at_once_and_no_more(attempt: Attempt) -> None:
    together = threading.Barrier(3, timeout=20)
    work = Work(**{f"d{key[-6:]}": together.wait for key in KEYS[:6]})
    run(attempt, work, keys=KEYS[:6], at_once=3)
    assert work.most == 3


def test_the_connections_of_a_batchs_threads_end_with_it(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[connections.Opened] = []
    really = connections.open_connection

    def noted() -> connections.Opened:
        opened.append(really())
        return opened[-1]

    monkeypatch.setattr(connections, "open_connection", noted)
    together = threading.Barrier(3, timeout=20)
    run(attempt, Work(**{f"d{key[-6:]}": together.wait for key in KEYS[:6]}), keys=KEYS[:6], at_once=3)
    assert len(opened) == 2  # and this thread's own, which stays
    assert not any(connection.open for connection in opened)


@pytest.mark.parametrize("in_flight", [1, 5, 10, 11, 15, 40, 100])
def test_calls_and_their_threads_are_not_more_than_may_be_in_flight(in_flight: int) -> None:
    calls, threads = calls_and_threads(in_flight)
    assert in_flight - calls < calls * threads <= in_flight
    assert 1 <= threads <= AT_ONCE


@pytest.mark.parametrize("error", [BadAnswer("no JSON"), KeyError("name")])
def test_a_step_that_fails_fails_alone_and_is_not_asked_again(attempt: Attempt, sql: Sql, error: Exception) -> None:
    work = Work(d440102=raising(error))
    run(attempt, work, at_once=3)
    code = "bad_answer" if isinstance(error, BadAnswer) else "KeyError"
    assert states(sql)[SECOND] == ("FAILED", 1, code)
    assert [key for key, state in states(sql).items() if state[0] == "SUCCEEDED"] == [FIRST, *KEYS[2:]]

    # AND when the batch is given again for another's sake, it stays so
    run(attempt, work)
    assert work.asked.count(SECOND) == 1


def test_what_may_pass_is_left_to_the_next_call_with_its_reason(attempt: Attempt, sql: Sql) -> None:
    # GIVEN a provider that is away for one step, and another that is throttled
    work = Work(d440102=raising(ProviderUnavailable("away")), d440103=raising(ProviderThrottled("busy")))

    # WHEN the batch runs, THEN it raises what the state machine tries least often, and the others are done
    with pytest.raises(ProviderUnavailable):
        run(attempt, work, at_once=3)
    assert states(sql)[SECOND] == ("PENDING", 1, "provider_unavailable")
    assert states(sql)[THIRD] == ("PENDING", 1, "provider_throttled")

    # AND nobody works at them meanwhile, and the next call takes the two alone
    assert sql("SELECT step_key FROM task_steps WHERE started_at IS NULL") == [
        {"step_key": SECOND},
        {"step_key": THIRD},
    ]
    again = Work()
    run(attempt, again, at_once=3)
    assert sorted(again.asked) == [SECOND, THIRD]
    assert states(sql)[SECOND] == ("SUCCEEDED", 2, None)


def test_an_error_of_awss_client_may_pass_too(attempt: Attempt) -> None:
    from botocore.exceptions import EndpointConnectionError

    with pytest.raises(AwsUnavailable):
        run(attempt, Work(d440102=raising(EndpointConnectionError(endpoint_url="https://dynamodb"))))


def test_a_worker_that_is_killed_leaves_what_is_not_committed_and_that_is_done_alone(
    attempt: Attempt, sql: Sql
) -> None:
    # GIVEN a worker that is killed at its third step, when two are done
    with pytest.raises(Killed):
        run(attempt, Work(d440103=raising(Killed())))
    assert [state for state, _, _ in states(sql).values()] == ["SUCCEEDED", "SUCCEEDED", *["PENDING"] * 5]

    # WHEN the batch is given again, THEN only the rest is done, and the step that may have killed its worker comes last
    work = Work()
    run(attempt, work, at_once=3)
    assert sorted(work.asked[:-1]) == KEYS[3:]
    assert work.asked[-1] == THIRD


def test_a_step_that_kills_its_worker_each_time_fails_and_takes_no_other_with_it(attempt: Attempt, sql: Sql) -> None:
    # GIVEN three steps under way, one of which kills the worker each time
    together = threading.Barrier(3, timeout=20)

    def kill() -> None:
        raise Killed

    def die_together() -> None:
        together.wait()
        kill()

    with pytest.raises(Killed):
        run(attempt, Work(d440101=die_together, d440102=die_together, d440103=die_together), at_once=3)

    # WHEN the state machine calls again until its retries are used up
    for _ in range(3):
        with pytest.raises(Killed):
            run(attempt, Work(d440102=kill), at_once=3)
    fail_left(attempt, KEYS, TaskError("Runtime.ExitError", "killed"))

    # THEN that step has failed, and all others are done
    assert states(sql)[SECOND] == ("FAILED", 4, "Runtime.ExitError")
    assert [key for key, state in states(sql).items() if state[0] == "SUCCEEDED"] == [FIRST, *KEYS[2:]]


def test_a_step_whose_worker_was_killed_is_begun_behind_others_only_with_time_for_it(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        run(attempt, Work(d440103=raising(Killed())), keys=KEYS[:4])
    monkeypatch.setattr(lifetime, "seconds_left", lambda: 29.0)
    work = Work()
    with pytest.raises(OutOfTime, match="1 steps are left"):
        run(attempt, work, keys=KEYS[:4])
    assert work.asked == [KEYS[3]]

    # AND the next call, which has nothing else to do, begins with it
    run(attempt, work, keys=KEYS[:4])
    assert work.asked == [KEYS[3], THIRD]


def test_a_step_whose_worker_was_killed_stays_the_last_though_its_provider_was_away_then(attempt: Attempt) -> None:
    with pytest.raises(Killed):
        run(attempt, Work(d440103=raising(Killed())), keys=KEYS[:4])
    away = raising(ProviderUnavailable("away"))
    with pytest.raises(ProviderUnavailable):
        run(attempt, Work(d440103=away, d440104=away), keys=KEYS[:4])
    work = Work()
    run(attempt, work, keys=KEYS[:4])
    assert work.asked == [KEYS[3], THIRD]


def test_a_step_whose_worker_was_killed_does_not_keep_the_reason_of_the_run_before(attempt: Attempt, sql: Sql) -> None:
    with pytest.raises(ProviderUnavailable):
        run(attempt, Work(d440102=raising(ProviderUnavailable("away"))))
    with pytest.raises(Killed):
        run(attempt, Work(d440102=raising(Killed())))
    fail_left(attempt, KEYS, TaskError("Runtime.ExitError", "killed"))
    assert states(sql)[SECOND] == ("FAILED", 2, "Runtime.ExitError")


@pytest.mark.parametrize("at_once", [1, 2])
def test_nothing_is_begun_after_a_cancel_in_the_middle_of_a_batch(attempt: Attempt, sql: Sql, at_once: int) -> None:
    # GIVEN a task that is cancelled while its second step is worked at
    begun: list[int] = []

    def cancel() -> None:
        lifecycle.cancel(attempt.task_id, "acme")
        begun.append(len(work.asked))

    work = Work(d440102=cancel)

    # WHEN its batch runs
    with pytest.raises(TaskStopped):
        run(attempt, work, at_once=at_once)

    # THEN nothing more is begun than another thread had taken already, and a completion after it changes nothing
    assert len(work.asked) <= begun[0] + at_once - 1
    assert states(sql)[SECOND][0] == "PENDING"


def test_no_step_is_taken_after_a_cancel_though_the_one_before_it_failed(attempt: Attempt, sql: Sql) -> None:
    """The guard of take_step: fail_step does not say that the task has stopped."""

    def cancel_and_fail() -> None:
        lifecycle.cancel(attempt.task_id, "acme")
        raise BadAnswer("no JSON")

    work = Work(d440101=cancel_and_fail)
    with pytest.raises(TaskStopped):
        run(attempt, work)
    assert work.asked == [FIRST]
    assert set(states(sql).values()) == {("PENDING", 1, None), ("PENDING", 0, None)}


def test_a_late_call_does_not_give_back_what_another_has_taken(attempt: Attempt, sql: Sql) -> None:
    """The fence of release_step."""

    def be_late() -> None:
        sql("UPDATE task_steps SET attempts = 2, started_at = UTC_TIMESTAMP(6) WHERE step_key = %s", FIRST)
        raise ProviderUnavailable("away")

    with pytest.raises(ProviderUnavailable):
        run(attempt, Work(d440101=be_late))
    assert states(sql)[FIRST] == ("PENDING", 2, None)
    assert sql("SELECT step_key FROM task_steps WHERE started_at IS NULL") == []


def test_a_task_that_is_paused_in_the_middle_of_a_batch_goes_on_when_resumed(attempt: Attempt, sql: Sql) -> None:
    with pytest.raises(TaskStopped):
        run(attempt, Work(d440102=lambda: lifecycle.pause(attempt.task_id, "acme")))
    lifecycle.resume(attempt.task_id, "acme")
    dispatch(["hospital_province_refresh"])
    with pytest.raises(TaskStopped):
        run(attempt, Work())  # the attempt that was paused
    work = Work()
    run(Attempt(task_id=attempt.task_id, attempt=2), work)
    assert sorted(work.asked) == KEYS[1:]


def test_nothing_is_begun_that_could_not_end_in_time(
    attempt: Attempt, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a call that has time for two steps
    work = Work()
    monkeypatch.setattr(lifetime, "seconds_left", lambda: 31.0 if len(work.asked) < 2 else 29.0)
    heard: list[Any] = []
    monkeypatch.setattr(steps, "beat", heard.append)

    # WHEN it takes a batch, THEN it leaves the rest to the next call, and its task is heard of
    with pytest.raises(OutOfTime, match="5 steps are left"):
        run(attempt, work)
    assert work.asked == KEYS[:2]
    assert heard == [[attempt.task_id]]
    assert states(sql)[THIRD] == ("PENDING", 0, None)

    # AND a call that has no time at all does one, so that it goes on
    with pytest.raises(OutOfTime):
        run(attempt, work)
    assert work.asked == KEYS[:3]


def test_a_batch_that_is_delivered_twice_does_no_step_twice(attempt: Attempt, sql: Sql) -> None:
    # GIVEN two calls that have read the same batch, of which one waits in its first step
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(20)

    first, raised = Work(d440101=wait), []
    read = step_batches.list_left
    both = threading.Barrier(2, timeout=20)

    def read_together(*given: Any) -> Any:
        left = read(*given)
        both.wait()
        if threading.current_thread() is not thread:
            assert begun.wait(20)
        return left

    def deliver() -> None:
        try:
            run(attempt, first)
        except OutOfTime as error:
            raised.append(error)
        longhaul_database.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_batches, "list_left", read_together)
        thread = threading.Thread(target=deliver)
        thread.start()

        # WHEN the other goes through all
        second = Work()
        with pytest.raises(OutOfTime, match="another call works at district/440101"):
            run(attempt, second)
        go_on.set()
        thread.join()

    # THEN between them each step was done once, and whoever found another at work says that something may be left
    assert (first.asked, second.asked, len(raised)) == ([FIRST], KEYS[1:], 1)
    assert {state for state, _, _ in states(sql).values()} == {"SUCCEEDED"}
    assert {attempts for _, attempts, _ in states(sql).values()} == {1}


def test_a_step_whose_end_cannot_be_written_is_left_to_the_next_call(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*_: Any, **__: Any) -> Any:
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(steps, "fail_step", is_away)
        with pytest.raises(DatabaseUnavailable):
            run(attempt, Work(d440102=raising(BadAnswer("no JSON"))))
    work = Work()
    run(attempt, work)
    assert work.asked == [SECOND]


def test_what_is_wrong_with_telling_a_steps_failure_is_no_others_failure(
    attempt: Attempt, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(steps, "fail_step", lambda *_: {}["a fault of ours"])
        with pytest.raises(OutOfTime, match="could not be given back"):
            run(attempt, Work(d440102=raising(BadAnswer("no JSON"))))
    assert [key for key, state in states(sql).items() if state[0] == "SUCCEEDED"] == [FIRST, *KEYS[2:]]
    work = Work()
    run(attempt, work)
    assert work.asked == [SECOND]


def test_fail_step_fails_what_a_batch_has_left_each_with_its_own_reason(attempt: Attempt, sql: Sql, sent: Sent) -> None:
    # GIVEN a batch of which one step failed, one is left for its provider's sake, and some were never begun
    work = Work(d440101=raising(BadAnswer("no JSON")), d440102=raising(ProviderThrottled("busy")))
    with pytest.raises(ProviderThrottled):
        run(attempt, work, keys=KEYS[:3])

    # WHEN the state machine's retries are used up, and it says so twice
    event = sample("tasks", "fail_step") | attempt.model_dump()
    event |= {"keys": [key[-6:] for key in KEYS], "prefix": "district/"}
    assert [call("tasks", "fail_step", event) for _ in range(2)] == [{"failed": True}, {"failed": False}]

    # THEN each that was left has failed for its own reason, or the batch's, with the label it was planned with
    codes = {key: state[2] for key, state in states(sql).items()}
    assert codes == {
        FIRST: "bad_answer",
        SECOND: "provider_throttled",
        THIRD: None,
        **dict.fromkeys(KEYS[3:], "bad_answer"),
    }
    assert sql("SELECT error_message FROM task_steps WHERE step_key = %s", KEYS[-1]) == [
        {"error_message": "the answer is not JSON"}
    ]
    assert "第 7 区" in [told["label"] for told in sent("progress")]
