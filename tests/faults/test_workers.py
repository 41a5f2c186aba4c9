"""Workers that are killed in the middle of their work."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable

from local.running import RunningStack, eventually
from tests.observation import Observer
from tests.providing import Provider, city_codes, held, truth

NINGXIA = "640000"
KILLS = 10
IN_FLIGHT = 5  # districts at once, by the template: all in one worker
BATCH_SIZE = 20  # the template's default


def test_a_district_worker_killed_ten_times_costs_nothing_but_time(
    observer: Observer, provider: Provider, stack: RunningStack
) -> None:
    # GIVEN a refresh whose districts take a while, watched by its caller
    provider.control(latency_ms=100, slow_keys=held(NINGXIA))
    log = stack.log("RefreshDistrict")
    task_id = observer.submit("宁夏")

    # WHEN the worker that is at work on its districts is killed, ten times
    with observer.watching(task_id) as watch:
        for _ in range(KILLS):
            kill_at_work(stack)
        provider.control()
        task = observer.ended(task_id)

    # THEN the refresh has done all of it, in its first attempt, and nobody saw it go back
    everything = truth(NINGXIA)
    hospitals = sum(map(len, everything.values()))
    assert (task["status"], task["attempt"], task["result"]["failed"]) == ("SUCCEEDED", 1, [])
    assert task["result"]["added"] == task["result"]["hospitals"] == hospitals
    watch.assert_never_back()

    # AND each step was done once: by its row, and by the rows it wrote, which one statement wrote and none wrote again
    steps = observer.steps(task_id)
    assert steps.keys() == {"province/640000", *(f"city/{c}" for c in city_codes(NINGXIA))} | {
        f"district/{code}" for code in everything
    }
    assert {row["status"] for row in steps.values()} == {"SUCCEEDED"}
    rows = observer.sql("SELECT district_code, name, created_at, updated_at, changed_by FROM hospitals")
    assert sorted((row["district_code"], row["name"]) for row in rows) == sorted(
        (code, hospital.name) for code, here in everything.items() for hospital in here
    )
    written = {(row["district_code"], time) for row in rows for time in (row["created_at"], row["updated_at"])}
    assert len(written) == len(everything)
    assert {row["changed_by"] for row in rows} == {None}

    # AND no more districts were asked for again than its workers had under way when they died
    lost = deaths(stack, log) * IN_FLIGHT
    calls = provider.calls("hospitals")["calls"]
    first = [call["key"] for call in calls if call["batch"] == 1]
    assert len(everything) <= len(first) <= len(everything) + lost

    # AND so many requests: the batches of hospitals before them were not asked for again
    batches = sum(-(-len(here) // BATCH_SIZE) for here in everything.values())
    assert batches <= len(calls) <= batches + lost


def kill_at_work(stack: RunningStack) -> None:
    """Kill the oldest worker that is at work on a district, which is not always the same district's.

    One that has done its work meanwhile does not count, and another is killed.
    """
    log = stack.log("RefreshDistrict")
    eventually(
        lambda: stack.kill_worker("RefreshDistrict", busy=True) and comes_true(lambda: deaths(stack, log) > 0),
        60,
    )


def comes_true(look: Callable[[], bool], seconds: float = 2.0) -> bool:
    try:
        return eventually(look, seconds, pause=0.02)
    except AssertionError:
        return False


def deaths(stack: RunningStack, before: str) -> int:
    """How many invocations of the district's function have died since its log was as it was `before`."""
    return stack.log("RefreshDistrict")[len(before) :].count("Status: error")


def signal_all(pids: Iterable[int], number: int) -> None:
    """Those that the stack has not ended meanwhile, as it does with spare ones."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_progress_worker_killed_with_its_batch_loses_no_progress(
    observer: Observer, provider: Provider, stack: RunningStack
) -> None:
    # GIVEN a refresh at work, and workers that have counted steps and wait for more
    provider.control(latency_ms=100, slow_keys=held("460000"))
    task_id = observer.submit("海南省")
    log = stack.log("UpdateProgress")
    with observer.watching(task_id) as watch:
        pids = eventually(lambda: waiting(stack, "UpdateProgress"))

        # WHEN one of them is killed with a batch in its hands, which comes back only long after the end
        signal_all(pids, signal.SIGSTOP)
        eventually(lambda: set(pids) & set(stack.pids("UpdateProgress", busy=True)))
        signal_all(pids, signal.SIGKILL)
        task = observer.ended(task_id)

    # THEN the batches after it counted all steps, those of its batch among them, and the end is exact
    watch.assert_never_back()
    assert any(0 < document["progress"] < 100 for document in watch.documents)
    assert (task["status"], task["progress"]) == ("SUCCEEDED", 100)
    assert task["statistics"]["hospitals_found"] == sum(map(len, truth("460000").values()))
    assert stack.log("UpdateProgress")[len(log) :].count("Status: error") >= 1


def waiting(stack: RunningStack, function: str) -> list[int]:
    """The processes of the function that have worked and wait for their next event."""
    workers = [worker for worker in stack.about()["workers"] if worker["function"] == function]
    return [worker["pid"] for worker in workers if worker["invocations"] and not worker["busy"]]
