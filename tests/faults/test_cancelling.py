"""Cancelling: what stops, how soon, and what a worker that is too late can still do (nothing)."""

from datetime import timedelta

from local.running import RunningStack, eventually
from tests.observation import Observer
from tests.providing import Provider, district_codes, held

HAINAN = "460000"
IN_FLIGHT = 5  # districts at once, by the template


def test_cancelling_a_running_task_stops_it_and_a_late_worker_changes_nothing(
    observer: Observer, provider: Provider, stack: RunningStack
) -> None:
    # GIVEN a refresh in the middle of its districts, whose workers wait for the model
    provider.control(latency_ms=100, slow_keys=held(HAINAN))
    log = stack.log("RefreshDistrict")
    task_id = observer.submit("海南省")
    with observer.watching(task_id) as watch:
        eventually(provider.asked, pause=0.02)

        # WHEN it is cancelled
        answer = observer.cancel(task_id)
        row = observer.task(task_id)
    item = observer.read(task_id)

    # THEN it is at once, by the answer itself: nobody has waited for its workers
    assert (answer.status, answer.json()["status"], item["status"]) == (200, "CANCELLED", "CANCELLED")
    watch.assert_never_back()

    # AND when its workers have ended, the late one among them, nothing has started or changed since
    eventually(lambda: "TaskStopped" in stack.log("RefreshDistrict")[len(log) :])
    observer.settle()
    asked = provider.asked()
    assert asked < set(district_codes(HAINAN))
    assert observer.task(task_id) == row
    assert observer.read(task_id) == item
    assert observer.events(task_id) == ["started", "cancelled"]

    # AND the rows are those of the districts that were done in time, whole; the late ones are not among them
    steps = observer.steps(task_id)
    done = observer.done(task_id)
    assert 1 <= len(asked - done) <= IN_FLIGHT, "asked for by those who had begun before, and by nobody after"
    # (A statement's time is that of its beginning, and the cancelling one may have waited for a step's lock.)
    latest = row["finished_at"] + timedelta(seconds=3)
    assert all(step["finished_at"] is None or step["finished_at"] <= latest for step in steps.values())
    assert {row["district_code"] for row in observer.sql("SELECT district_code FROM hospitals")} == done
    assert {step["status"] for step in steps.values()} == {"SUCCEEDED", "PENDING"}

    # AND its execution is stopped, and to cancel it again changes nothing
    execution = observer.aws("stepfunctions").describe_execution(executionArn=row["execution_arn"])
    assert execution["status"] == "ABORTED"
    assert observer.cancel(task_id).json()["status"] == "CANCELLED"
    assert observer.task(task_id) == row


def test_a_waiting_task_is_cancelled_and_never_starts(observer: Observer, provider: Provider) -> None:
    # GIVEN a task that waits in a lane that is closed
    observer.sql("UPDATE lanes SET paused = 1")
    waiting, next_one = observer.submit("澳门"), observer.submit("香港")
    assert observer.read(waiting)["status"] == "PENDING"

    # WHEN it is cancelled and the lane opened
    assert observer.cancel(waiting).json()["status"] == "CANCELLED"
    observer.sql("UPDATE lanes SET paused = 0")

    # THEN the one behind it runs, and it never does
    assert observer.ended(next_one)["status"] == "SUCCEEDED"
    assert observer.events(waiting) == ["cancelled"]
    assert observer.task(waiting)["attempt"] == 0
    assert provider.asked() == {"810000"}


def test_a_task_that_has_ended_is_not_cancelled(observer: Observer) -> None:
    task_id = observer.refresh("澳门")["task_id"]
    row = observer.task(task_id)

    refused = observer.cancel(task_id)

    assert (refused.status, refused.json()["code"]) == (409, "illegal_transition")
    assert (refused.json()["task_status"], refused.json()["allowed_actions"]) == ("SUCCEEDED", [])
    assert observer.task(task_id) == row
