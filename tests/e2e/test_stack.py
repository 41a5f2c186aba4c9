"""The stack itself: what it serves without a token, and that it runs the code as it is now."""

from pathlib import Path

from local.running import eventually
from tests.observation import Observer


def test_the_documentation_and_the_health_need_no_token(caller: Observer) -> None:
    openapi = caller.request("GET", "/openapi.json", token="")
    assert openapi.status == 200
    assert {"/api/v1/tasks", "/api/v1/tasks/{task_id}/cancel", "/api/v1/hospitals"} <= openapi.json()["paths"].keys()
    page = caller.request("GET", "/docs", token="")
    assert (page.status, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert b"swagger" in page.body.lower()
    assert caller.request("GET", "/health", token="").json() == {"status": "ready"}


def test_tasks_are_listed_newest_first(observer: Observer) -> None:
    # GIVEN three tasks, one of which has been cancelled
    observer.sql("UPDATE lanes SET paused = 1")
    first, second, third = (observer.submit(province) for province in ("澳门", "香港", "台湾"))
    observer.cancel(second)

    # THEN they are on the pages of the list, and those that have not ended among the active
    page = observer.get("/api/v1/tasks?page_size=2")
    assert ([task["task_id"] for task in page["items"]], page["total"], page["pages"]) == ([third, second], 3, 2)
    assert [task["task_id"] for task in observer.get("/api/v1/tasks?page_size=2&page=2")["items"]] == [first]
    assert [task["task_id"] for task in observer.get("/api/v1/tasks?status=CANCELLED")["items"]] == [second]
    assert [task["task_id"] for task in observer.get("/api/v1/tasks/active")["items"]] == [third, first]


def test_changed_code_is_run_by_the_next_cold_start(observer: Observer, template: Path) -> None:
    # GIVEN a function that has run
    observer.sql("UPDATE lanes SET paused = 1")
    module = template.parent / "functions" / "hospitals" / "kinds.py"
    code = module.read_text(encoding="utf-8")

    def title() -> str:
        return str(observer.read(observer.submit("澳门"))["title"])

    assert title() == "澳门特别行政区刷新"

    # WHEN its code is changed, THEN calls run the new one once the change is seen, and so when it is changed back
    try:
        module.write_text(code.replace("{params.province}刷新", "{params.province}的更新"), encoding="utf-8")
        eventually(lambda: title() == "澳门特别行政区的更新")
    finally:
        module.write_text(code, encoding="utf-8")
    eventually(lambda: title() == "澳门特别行政区刷新")
