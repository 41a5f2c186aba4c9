"""A diagnosis through the whole chain: what it finds, what its callers see on the way, what is left when it is gone."""

from typing import Any

from local.providers.llm.models import opinion
from local.running import eventually
from tests.observation import Observer
from tests.providing import Provider

BRANDS = ["星野", "Lumo", "北辰"]
MODELS = ["deepseek", "qwen", "doubao"]
QUESTIONS = [f"第 {number} 个问题：买哪一款好？" for number in range(1, 13)]
STAGES = ["init", "ai_fetching", "analyzing", "completed"]


def submit(observer: Observer, **changed: Any) -> str:
    asked = {"brand": BRANDS[0], "competitors": BRANDS[1:], "questions": QUESTIONS, "models": MODELS}
    body = {"kind": "brand_diagnosis", "params": asked | changed}
    return str(observer.post("/api/v1/tasks", body)["task_id"])


def test_a_diagnosis_of_36_cells(observer: Observer, provider: Provider) -> None:
    # GIVEN models that name brands with a frequency of their own
    provider.control(brands=BRANDS)
    task_id = submit(observer)

    # WHEN it runs
    stages: list[str] = []

    def ended() -> bool:
        told = observer.get(f"/test/status/{task_id}")
        if told["stage"] not in stages:
            stages.append(told["stage"])
        return bool(told["status"] == "SUCCEEDED")

    with observer.watching(task_id) as watch:
        eventually(ended, 90)
    watch.assert_never_back()

    # THEN it went through its stages in their order
    assert stages == [stage for stage in STAGES if stage in stages]
    assert {"init", "ai_fetching", "completed"} <= set(stages)

    # AND at rest the live item agrees with the row (between the row's write and the item's it may be a batch behind)
    assert observer.get(f"/test/status/{task_id}")["cache_sync_status"] == "synced"

    # AND the report's figures are those of the opinions the models hold
    document = observer.get(f"/api/v1/diagnoses/{task_id}")
    report = document["report"]
    assert report["cells"] == {"planned": 36, "answered": 36, "failed": 0, "skipped": 0}
    assert set(report["overall"]["named_in"]) == {
        f"q{number:02}/{model}"
        for number, text in enumerate(QUESTIONS, 1)
        for model in MODELS
        if opinion(model, text, BRANDS).of(BRANDS[0])
    }

    # AND each cell was asked once, read once, and no model more at once than it takes
    told = provider.calls()
    assert told["by_model"] == dict.fromkeys(MODELS, 24)
    assert all(told["most_at_once"][model] <= most for model, most in zip(MODELS, (4, 5, 3), strict=True))
    assert observer.events(task_id) == ["started", "succeeded"]

    # AND all of it goes when its task is purged
    observer.settle()
    assert observer.sql("SELECT COUNT(*) AS cells FROM diagnosis_cells")[0]["cells"] == 36
    assert observer.request("DELETE", "/api/v1/tasks?older_than_days=0&status=SUCCEEDED").status < 300
    eventually(lambda: not observer.sql("SELECT 1 FROM tasks WHERE task_id = %s", task_id), 60)
    assert observer.sql("SELECT * FROM diagnosis_cells") == observer.sql("SELECT * FROM diagnoses") == []


def test_a_budget_pauses_it_and_a_higher_one_lets_it_go_on(observer: Observer, provider: Provider) -> None:
    # GIVEN a diagnosis that costs more than it may
    provider.control(brands=BRANDS)
    task_id = submit(observer, questions=QUESTIONS[:4], max_tokens=12_000)

    # WHEN it runs
    eventually(lambda: observer.task(task_id)["status"] == "PAUSED", 60)
    observer.settle()
    assert observer.read(task_id)["error"]["code"] == "budget_reached"
    spending = observer.get(f"/api/v1/diagnoses/{task_id}")["spending"]
    assert spending["tokens"] + spending["reserved_tokens"] <= 12_000

    # AND its caller raises the budget and resumes it
    changed = observer.request("PATCH", f"/api/v1/diagnoses/{task_id}", json={"max_tokens": 500_000})
    assert changed.status == 200
    assert observer.steer(task_id, "resume").status == 200

    # THEN it succeeds, with every cell answered and none paid for twice
    assert observer.ended(task_id)["status"] == "SUCCEEDED"
    assert observer.get(f"/api/v1/diagnoses/{task_id}")["report"]["cells"]["answered"] == 12
    assert provider.calls("question")["by_outcome"] == {"ok": 12}
