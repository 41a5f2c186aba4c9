"""A failed refresh retried on the running stack: what was found is not asked for again, what failed is."""

from tests.observation import Observer
from tests.providing import Provider, truth

NINGXIA = "640000"
FAILING = ("640104", "640105", "640106")  # three of 22 districts: more than a tenth of what it asks for


def asked_for(provider: Provider) -> dict[tuple[str, str], int]:
    """How often the model was asked each question."""
    return {
        (ask, key): number
        for ask in ("cities", "districts", "hospitals")
        for key, number in provider.calls(ask)["by_key"].items()
    }


def test_a_failed_refresh_that_is_retried_asks_only_for_what_failed(observer: Observer, provider: Provider) -> None:
    # GIVEN a refresh that failed, as the model never said anything of use about three districts
    provider.control(fail_keys=dict.fromkeys(FAILING, "wrong_schema"))
    task = observer.refresh("宁夏")
    task_id = task["task_id"]
    assert (task["status"], task["error"]["code"], task["allowed_actions"]) == (
        "FAILED",
        "too_many_failures",
        ["retry"],
    )
    before = {key: step for key, step in observer.steps(task_id).items() if step["status"] == "SUCCEEDED"}
    asked = asked_for(provider)

    # WHEN the model is well again, and it is retried, twice
    provider.control()
    answers = [observer.steer(task_id, "retry") for _ in range(2)]
    assert (answers[0].status, answers[0].json()["status"]) == (200, "PENDING")
    assert (answers[1].status, answers[1].json()["code"]) == (409, "illegal_transition")

    # THEN its next attempt completes it, and has asked for the three alone
    task = observer.ended(task_id)
    assert (task["status"], task["attempt"], task["error"], task["result"]["failed"]) == ("SUCCEEDED", 2, None, [])
    assert task["result"]["hospitals"] == sum(map(len, truth(NINGXIA).values()))
    now = asked_for(provider)
    assert {key for key in now if now[key] != asked.get(key)} == {("hospitals", code) for code in FAILING}
    assert {key: observer.steps(task_id)[key] for key in before} == before
    assert observer.events(task_id) == ["started", "failed", "retried", "started", "succeeded"]
