"""Code-first workloads on the running stack, through RunWorkload, PlanStage, RunStep, FinishTask and ServeCallbacks."""

from typing import Any

from local.running import eventually
from tests.observation import Observer, path_of
from tests.providing import Provider


def submit(observer: Observer, kind: str, **params: Any) -> str:
    return str(observer.post("/api/v1/tasks", {"kind": kind, "params": params})["task_id"])


def results(observer: Observer, task_id: str, query: str = "limit=1000") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = observer.get(f"{path_of(task_id)}/results?{query}")["items"]
    return items


def test_texts_are_summarised_by_the_language_model(observer: Observer, provider: Provider) -> None:
    texts = [f"Text {number} is about the sea, its tides and its ships." for number in range(4)]
    task_id = submit(observer, "text_summaries", texts=texts)
    task = observer.ended(task_id)
    assert (task["status"], task["error"], task["result"]) == ("SUCCEEDED", None, {"items": 4, "failed": 0})
    assert task["title"] == "Summaries"
    found = results(observer, task_id)
    assert [item["label"] for item in found] == ["text 0", "text 1", "text 2", "text 3"]
    assert all(item["output"]["summary"] for item in found)
    page = observer.get(f"{path_of(task_id)}/results?limit=3")
    rest = observer.get(f"{path_of(task_id)}/results?limit=3&cursor={page['next_cursor']}")
    assert [*page["items"], *rest["items"]] == found


def test_items_fail_are_named_and_retried_alone(observer: Observer) -> None:
    task_id = submit(observer, "waiting", items=12, bad=[3, 7])
    task = observer.ended(task_id)
    assert (task["status"], task["error"]["code"]) == ("FAILED", "too_many_failures")
    assert "2 of 12 items of stage work failed" in task["error"]["message"]
    assert "item 3: item 3 is bad; item 7: item 7 is bad" in task["error"]["message"]
    before = {item["key"]: item["finished_at"] for item in results(observer, task_id, "status=SUCCEEDED&limit=100")}
    assert len(before) == 10
    assert observer.steer(task_id, "retry").status == 200
    eventually(lambda: observer.read(task_id)["status"] == "SUCCEEDED")
    after = {item["key"]: item["finished_at"] for item in results(observer, task_id, "stage=work&limit=100")}
    assert len(after) == 12
    assert before.items() <= after.items(), "what was done was not done again"


def test_a_step_waits_and_a_callback_completes_it(observer: Observer) -> None:
    task_id = submit(observer, "waiting", items=2, later=2, sign=True)
    token = eventually(lambda: observer.sql("SELECT token FROM step_callbacks WHERE task_id = %s", task_id))[0]["token"]
    # The workflow's own token is there when the workflow waits: the callback wakes it, and not the end of its time.
    eventually(lambda: observer.sql("SELECT wakeup FROM step_callbacks WHERE task_id = %s", task_id)[0]["wakeup"])
    answer = observer.request("POST", f"/api/v1/callbacks/{token}", json={"by": "Ada"}, token=None)
    assert (answer.status, answer.json()) == (200, {"received": True})
    task = observer.ended(task_id)
    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 1)
    assert [item["output"] for item in results(observer, task_id)] == [{"square": 0}, {"square": 1}, {"by": "Ada"}]
    assert observer.request("POST", f"/api/v1/callbacks/{token}", json={"by": "Eve"}, token=None).status == 409
    assert observer.request("POST", f"/api/v1/callbacks/{'x' * 43}", json={}, token=None).status == 404


def test_an_approval_pauses_the_task_and_resuming_it_approves(observer: Observer) -> None:
    task_id = submit(observer, "approving", items=0)
    eventually(lambda: observer.read(task_id)["status"] == "PAUSED")
    task = observer.read(task_id)
    assert task["error"]["code"] == "awaiting_approval"
    assert task["error"]["message"].startswith("Publish the draft?")
    assert observer.steer(task_id, "resume").status == 200
    task = observer.ended(task_id)
    assert (task["status"], task["progress"]) == ("SUCCEEDED", 100)
    assert results(observer, task_id)[-1]["output"] == {"published": "a draft"}


def test_what_waits_is_cancelled_at_once_and_paused_work_goes_on(observer: Observer) -> None:
    task_id = submit(observer, "waiting", items=3, later=3600)
    eventually(lambda: len(observer.sql("SELECT 1 FROM task_steps WHERE task_id = %s AND due_at > 0", task_id)) == 3)
    assert observer.steer(task_id, "cancel").status == 200
    assert observer.read(task_id)["status"] == "CANCELLED"

    task_id = submit(observer, "waiting", items=20, seconds=0.3)
    eventually(
        lambda: observer.sql(
            "SELECT 1 FROM task_steps WHERE task_id = %s AND status = 'SUCCEEDED' AND ordinal > 0", task_id
        )
    )
    assert observer.steer(task_id, "pause").status == 200
    assert observer.read(task_id)["status"] == "PAUSED"
    done = len(results(observer, task_id, "status=SUCCEEDED&limit=100"))
    assert observer.steer(task_id, "resume").status == 200
    task = observer.ended(task_id)
    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 2)
    assert 0 < done < len(results(observer, task_id)) == 21
