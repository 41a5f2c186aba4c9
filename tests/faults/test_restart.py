"""The whole stack killed in the middle of a refresh, started again on the same state, and stopped."""

import sys
import time
from pathlib import Path

import pytest

from local.running import eventually, local_stack
from tests.conftest import MINUTE_SECONDS
from tests.observation import Observer, path_of
from tests.processes import processes, running
from tests.providing import Provider, district_codes, truth

NINGXIA = "640000"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stack_killed_whole_recovers_its_task_and_asks_nothing_twice(template: Path, tmp_path: Path) -> None:
    with local_stack(tmp_path, template=template, minute=MINUTE_SECONDS) as stack:
        # GIVEN a refresh that has done some of its districts, and a task that waits
        observer, provider = Observer(stack), Provider(stack.provider_url)
        provider.control(latency_ms=300)
        task_id = observer.submit("宁夏")
        eventually(lambda: len(observer.done(task_id)) >= 5, pause=0.02)
        observer.sql("UPDATE lanes SET max_concurrent = 1")
        waiting = observer.submit("澳门")

        # WHEN the stack is killed
        pids = processes(stack)
        stack.kill()

        # THEN none of its processes is left behind
        eventually(lambda: not running(pids), 10)

        # WHEN it is started again
        stack.start()

        # THEN the task has been started again by the time the stack answers, and its history says why
        events = observer.get(f"{path_of(task_id)}/events")["items"]
        assert [event["event"] for event in events][:2] == ["started", "recovered"]
        assert events[1]["detail"] == {
            "reason": "its execution was gone and was started again; finished steps are kept"
        }
        done = {level: observer.done(task_id, level) for level in ("province", "city", "district")}
        before = {key: row for key, row in observer.steps(task_id).items() if row["status"] == "SUCCEEDED"}
        assert 5 <= len(done["district"]) < len(district_codes(NINGXIA)), "killed too late"

        # AND it completes, what was done stays as it is, and the one behind it runs too
        task = observer.ended(task_id)
        everything = truth(NINGXIA)
        assert (task["status"], task["attempt"], task["result"]["failed"]) == ("SUCCEEDED", 1, [])
        assert task["result"]["added"] == task["result"]["hospitals"] == sum(map(len, everything.values()))
        assert {key: observer.steps(task_id)[key] for key in before} == before
        assert observer.events(task_id) == ["started", "recovered", "succeeded"]
        assert observer.ended(waiting)["status"] == "SUCCEEDED"

        # AND nothing that was done was asked again: the model, which started anew too, was asked for the rest alone
        assert provider.asked("hospitals") - {"820000"} == everything.keys() - done["district"]
        assert not provider.asked("cities") & done["province"]
        assert not provider.asked("districts") & done["city"]

        # WHEN it is told to end, THEN it does so within five seconds and leaves nothing
        pids = processes(stack)
        started = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - started < 5
        assert running(pids) == []
