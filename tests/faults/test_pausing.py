"""Pausing and resuming: what stops, what is kept, and that nothing is asked again."""

from local.running import RunningStack, eventually
from tests.observation import Observer
from tests.providing import Provider, district_codes, held, truth

HAINAN = "460000"
IN_FLIGHT = 5  # districts at once, by the template


def test_a_refresh_paused_in_the_middle_goes_on_later_and_asks_nothing_again(
    observer: Observer, provider: Provider, stack: RunningStack
) -> None:
    # GIVEN a refresh in the middle of its districts, whose workers wait for the model
    provider.control(latency_ms=100, slow_keys=held(HAINAN))
    log = stack.log("RefreshDistrict")
    task_id = observer.submit("海南省")
    with observer.watching(task_id) as watch:
        eventually(lambda: observer.done(task_id), pause=0.02)

        # WHEN it is paused
        answer = observer.steer(task_id, "pause")
        row = observer.task(task_id)

        # THEN it is at once, and its reader sees it
        assert (answer.status, answer.json()["status"]) == (200, "PAUSED")
        item = observer.read(task_id)
        assert (item["status"], item["allowed_actions"]) == ("PAUSED", ["cancel", "resume", "prioritise"])

        # AND when its workers have ended, the late one among them, nothing has changed, and no more districts have been
        # asked for in vain than were in flight
        eventually(lambda: "TaskStopped" in stack.log("RefreshDistrict")[len(log) :])
        observer.settle()
        asked = provider.asked()
        assert 1 <= len(asked - observer.done(task_id)) <= IN_FLIGHT
        assert asked < set(district_codes(HAINAN))
        assert observer.task(task_id) == row
        execution = observer.aws("stepfunctions").describe_execution(executionArn=row["execution_arn"])
        assert execution["status"] == "ABORTED"

        # AND to pause it again changes nothing
        assert observer.steer(task_id, "pause").json()["status"] == "PAUSED"
        assert observer.task(task_id) == row

        # WHEN it is resumed
        done = {level: observer.done(task_id, level) for level in ("province", "city", "district")}
        before = {key: step for key, step in observer.steps(task_id).items() if step["status"] == "SUCCEEDED"}
        calls = {ask: provider.calls(ask)["by_key"] for ask in ("cities", "districts", "hospitals")}
        assert done["district"]
        provider.control()
        resumed = observer.steer(task_id, "resume")
        assert (resumed.status, resumed.json()["status"]) == (200, "PENDING")

        # THEN its next attempt completes it, and nobody saw its progress go back
        task = observer.ended(task_id)
    everything = truth(HAINAN)
    assert (task["status"], task["attempt"], task["result"]["failed"]) == ("SUCCEEDED", 2, [])
    assert task["result"]["added"] == task["result"]["hospitals"] == sum(map(len, everything.values()))
    assert observer.events(task_id) == ["started", "paused", "resumed", "started", "succeeded"]
    watch.assert_never_back()

    # AND what was done stays as it was, and was not asked again; the rest was
    assert {key: observer.steps(task_id)[key] for key in before} == before
    for ask, level in (("cities", "province"), ("districts", "city"), ("hospitals", "district")):
        now = provider.calls(ask)["by_key"]
        assert {key: now.get(key) for key in done[level]} == {key: calls[ask].get(key) for key in done[level]}
    assert provider.asked() == set(everything)


def test_a_paused_task_leaves_its_place_to_the_next_and_waits_for_one_again(
    observer: Observer, provider: Provider
) -> None:
    # GIVEN a lane for one, whose place a slow refresh has, and one that waits
    observer.sql("UPDATE lanes SET max_concurrent = 1")
    provider.control(latency_ms=1_000)
    first = observer.submit("海南省")
    eventually(lambda: provider.asked("cities"), pause=0.02)
    second = observer.submit("澳门")

    # WHEN the first is paused, THEN the second runs to its end
    assert observer.steer(first, "pause").status == 200
    assert observer.ended(second)["status"] == "SUCCEEDED"
    assert observer.read(first)["status"] == "PAUSED"

    # AND the first, resumed, has the place again
    provider.control()
    observer.steer(first, "resume")
    assert observer.ended(first)["status"] == "SUCCEEDED"


def test_a_task_that_has_ended_is_neither_paused_nor_resumed(observer: Observer) -> None:
    task_id = observer.refresh("澳门")["task_id"]
    row = observer.task(task_id)

    for action in ("pause", "resume"):
        refused = observer.steer(task_id, action)
        assert (refused.status, refused.json()["code"]) == (409, "illegal_transition")
        assert (refused.json()["task_status"], refused.json()["allowed_actions"]) == ("SUCCEEDED", [])
    assert observer.task(task_id) == row
