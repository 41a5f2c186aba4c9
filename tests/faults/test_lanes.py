"""More tasks at once than their lane runs."""

from concurrent.futures import ThreadPoolExecutor

from local.running import eventually
from tests.observation import KIND, Observer

TASKS, LANE = 30, 5
CHANGES = {"started": 1, "succeeded": -1, "failed": -1, "cancelled": -1, "requeued": -1}


def test_thirty_tasks_at_once_in_a_lane_of_five(observer: Observer) -> None:
    # GIVEN a lane in which five tasks may run
    assert observer.sql("SELECT max_concurrent FROM lanes WHERE kind = %s", KIND) == [{"max_concurrent": LANE}]

    # WHEN thirty are submitted at once
    with ThreadPoolExecutor(10) as pool:
        task_ids = list(pool.map(lambda number: observer.submit(("澳门", "香港")[number % 2]), range(TASKS)))
    assert len(set(task_ids)) == TASKS

    # THEN all of them succeed, each in one attempt
    def left() -> int:
        (row,) = observer.sql(
            "SELECT COUNT(*) AS n, SUM(status = 'RUNNING') AS running FROM tasks WHERE finished_at IS NULL"
        )
        assert int(row["running"] or 0) <= LANE
        return int(row["n"])

    eventually(lambda: left() == 0, 120)
    rows = observer.sql("SELECT task_id, status, attempt FROM tasks")
    assert {(row["status"], row["attempt"]) for row in rows} == {("SUCCEEDED", 1)}
    assert {row["task_id"] for row in rows} == set(task_ids)

    # AND at no time did more than five run, by what they left behind; yet the lane was full
    running, most = 0, 0
    for row in observer.sql("SELECT event FROM task_events ORDER BY id"):
        running += CHANGES[row["event"]]
        most = max(most, running)
    assert (running, most) == (0, LANE)
