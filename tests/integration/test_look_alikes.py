"""A tenant whose id looks like another's finds nothing of it: the door refuses the id, or the tables compare it.

The owner's has an `é`, which has two forms in Unicode. (serve_tasks, read_task, serve_lists, serve_batches,
serve_queue, serve_material)
"""

from collections.abc import Callable
from typing import Any

import pytest

from longhaul.http import identity
from longhaul.tasks import purging
from longhaul.tasks.model import Task
from longhaul.tasks.submission import Submission
from tests.calling import ask
from tests.submitting import submit

type Running = Callable[..., Task]
type Sql = Callable[..., list[dict[str, Any]]]

OWNER = "café 1"
REFUSED = {
    "empty": "",
    "space": " ",
    "trailing space": f"{OWNER} ",
    "leading space": f" {OWNER}",
    "no-break space": f"{OWNER}\u00a0",
    "ideographic space": f"{OWNER}\u3000",
    "tab": f"{OWNER}\t",
    "newline": f"{OWNER}\n",
    "NUL": f"{OWNER}\0",
}
OTHERS = {
    "zero-width": f"{OWNER}\u200b",
    "byte order mark": f"\ufeff{OWNER}",
    "case": "Café 1",
    "full width": "café １",
    "decomposed": "cafe\u0301 1",
    "without accent": "cafe 1",
    "no-break space within": "café\u00a01",
}
INFO = {"company": "c", "role_name": "r", "goal": "g", "introduction": "i"}
PURGE = "older_than_days=0"


@pytest.fixture
def task(database: dict[str, Any], running_task: Running) -> Task:
    """A running task of the owner, beside one that has ended and its material."""
    ended = submit(Submission(OWNER, "ada", "hospital_province_refresh", {"province": "海南省"}, idempotency_key="k"))
    assert ask("serve_tasks", "POST", f"/api/v1/tasks/{ended.task_id}/cancel", tenant=OWNER)[0] == 200
    path = "/api/v1/role-tasks/T-1/base-info"
    assert ask("serve_material", "PUT", path, INFO, domain="roles", tenant=OWNER)[0] == 200
    return running_task(tenant_id=OWNER)


def requests(task_id: str) -> list[tuple[str, str, str, Any, str]]:
    """(function, method, path, body, query) of each route that reads, lists, steers or deletes."""
    one = f"/api/v1/tasks/{task_id}"
    many = {"action": "cancel", "filter": {"status": ["RUNNING"]}, "dry_run": True}
    return [
        ("read_task", "GET", one, None, ""),
        *[("serve_lists", "GET", f"/api/v1/tasks{kind}", None, "") for kind in ("", "/summary", "/cursor", "/active")],
        *[("serve_lists", "GET", f"{one}/{part}", None, "") for part in ("steps", "events")],
        ("serve_queue", "GET", "/api/v1/queue", None, ""),
        ("serve_material", "GET", "/api/v1/role-tasks/T-1", None, ""),
        ("serve_batches", "POST", "/api/v1/tasks/actions", many, ""),
        ("serve_batches", "PATCH", "/api/v1/tasks/batch", {"items": [{"task_id": task_id, "priority": "high"}]}, ""),
        ("serve_tasks", "PATCH", one, {"priority": "low"}, ""),
        *[("serve_tasks", "POST", f"{one}/{action}", None, "") for action in ("pause", "resume", "cancel", "retry")],
        ("serve_batches", "DELETE", "/api/v1/tasks", None, PURGE),
    ]


def answered(tenant: str, name: str, method: str, path: str, body: Any, query: str) -> tuple[int, Any]:
    domain = "roles" if name == "serve_material" else "tasks"
    return ask(name, method, path, body, domain=domain, tenant=tenant, query=query)[:2]


def finds_nothing(status: int, answer: Any) -> bool:
    if status == 404:
        return True
    items = answer.get("items", [])
    nothing = [answer.get("matched") == 0, answer.get("deleted") == 0, items == [] and "items" in answer]
    nothing += [bool(items) and all(item.get("status") == 404 for item in items)]
    nothing += [bool(items) and all(item.get("yours") and not any(item["yours"].values()) for item in items)]
    return status == 200 and any(nothing)


def stands(sql: Sql) -> list[dict[str, Any]]:
    return sql("SELECT task_id, tenant_id, status, priority, attempt FROM tasks ORDER BY id")


@pytest.mark.parametrize("tenant", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_an_id_is_refused_by_every_route(task: Task, sql: Sql, tenant: str) -> None:
    before = stands(sql)
    for request in requests(task.task_id):
        status, answer = answered(tenant, *request)
        assert (status, answer["code"]) == (401, "unauthenticated"), request
    assert stands(sql) == before


@pytest.mark.parametrize("tenant", (REFUSED | OTHERS).values(), ids=REFUSED | OTHERS)
def test_in_the_tables_it_is_another_tenant(task: Task, sql: Sql, monkeypatch: pytest.MonkeyPatch, tenant: str) -> None:
    monkeypatch.setattr(identity, "claimed", lambda text, longest: True)  # the door stands open
    before = stands(sql)
    for request in requests(task.task_id):
        if tenant or request[1] == "GET":  # '' is how the purge marks what it deletes
            assert finds_nothing(*answered(tenant, *request)), request
    assert stands(sql) == before
    if tenant.strip(" "):
        mine = submit(
            Submission(tenant, "eve", "hospital_province_refresh", {"province": "海南省"}, idempotency_key="k")
        )
        assert mine.tenant_id == tenant, "a key is its tenant's own"


def test_the_owner_finds_all_of_it(task: Task, sql: Sql) -> None:
    """The requests above would find something: the control."""
    for request in requests(task.task_id):
        status, answer = answered(OWNER, *request)
        if not request[2].endswith("/steps"):  # it has none
            assert not finds_nothing(status, answer), request


def test_a_key_that_looks_like_another_is_another(database: dict[str, Any]) -> None:
    made = {
        submit(
            Submission("acme", "ada", "hospital_province_refresh", {"province": "海南省"}, idempotency_key=key)
        ).task_id
        for key in ("k", "k ", "K", " k")
    }
    assert len(made) == 4


def test_the_purge_takes_no_tenant_of_spaces_for_what_it_deletes(database: dict[str, Any], sql: Sql) -> None:
    submit(Submission(" ", "ada", "hospital_province_refresh", {"province": "海南省"}))
    purging.purge(0, tenant_id=None, seconds=5)
    assert [row["tenant_id"] for row in stands(sql)] == [" "]
