"""A role on the running stack: from its material to the document, through ServeMaterial, CollectMaterial, WriteRole,
SaveRole and ServeRoles."""

from tests.creating import BASE_INFO, put, submit, versions
from tests.observation import Observer, path_of
from tests.providing import Provider


def test_from_material_to_a_role_in_two_versions(observer: Observer, provider: Provider) -> None:
    # GIVEN material, and a model that takes a moment
    put(observer, "T-1", "base-info", BASE_INFO)
    put(observer, "T-1", "products", {"items": [{"name": "种植牙套餐", "selling_points": ["可分期"]}]})
    provider.control(latency_ms=700)

    # WHEN a role is asked for twice
    first, second = submit(observer, "T-1"), submit(observer, "T-1")
    assert (first.status, second.status) == (202, 200)
    task_id = first.json()["task_id"]
    assert second.json()["task_id"] == task_id
    with observer.watching(task_id) as watch:
        task = observer.ended(task_id)

    # THEN one was made, and its progress was seen
    watch.assert_never_back()
    assert (task["status"], task["progress"], task["attempt"]) == ("SUCCEEDED", 100, 1)
    result = task["result"]
    assert (result["version"], result["missing"], result["left_out"]) == (1, ["talk_style", "knowledge"], {})
    assert task["statistics"] == {"tokens": result["tokens"]}
    assert provider.calls("role")["count"] == 1
    steps = observer.get(f"{path_of(task_id)}/steps")["items"]
    assert {step["level"]: step["status"] for step in steps} == dict.fromkeys(
        ("collect_material", "write_role", "save_role"), "SUCCEEDED"
    )

    # AND it is read by its id, and its next creation is its second version
    role = observer.get(f"/api/v1/roles/{result['role_id']}")
    assert "小晨" in role["content"]["opening"]
    assert float(role["cost"]) > 0
    third = submit(observer, "T-1")
    assert third.status == 202
    assert observer.ended(third.json()["task_id"])["result"]["version"] == 2
    page = observer.get(f"/api/v1/roles/{result['role_id']}/versions")
    assert [version["version"] for version in page["items"]] == [2, 1]
    assert observer.get("/api/v1/roles")["total"] == 1


def test_without_base_info_it_fails_at_once_and_a_retry_makes_it_good(observer: Observer, provider: Provider) -> None:
    # GIVEN no material
    task_id = submit(observer, "T-9").json()["task_id"]
    task = observer.ended(task_id)

    # THEN the task says what it lacks, in its first attempt, and the model was not asked
    assert (task["status"], task["attempt"], task["error"]["code"]) == ("FAILED", 1, "missing_material")
    assert "T-9 has no base_info" in task["error"]["message"]
    assert provider.calls("role")["count"] == 0

    # AND once that is there a retry makes the role
    put(observer, "T-9", "base-info", BASE_INFO)
    assert observer.steer(task_id, "retry").status == 200
    assert observer.ended(task_id)["result"]["version"] == 1
    assert [version["made_by"] for version in versions(observer)] == [task_id]
