"""Roles and their material over HTTP (serve_roles, serve_material): bounds, pages, versions, tenants, 304."""

from collections.abc import Callable
from typing import Any

import pytest

from longhaul import database
from longhaul.tasks.lifecycle import Outcome, close
from longhaul.tasks.model import Task
from longhaul.validation import OWN_ID_RULE
from roles.store import role_id_of
from tests.calling import ask, call, sample
from tests.chatting import StandIn
from tests.integration.roles.conftest import BASE_INFO, KNOWLEDGE, PARAMS, PRODUCTS, TALK_STYLE, create, put

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Running = Callable[..., Task]
type Sql = Callable[..., list[dict[str, Any]]]

MATERIAL = "/api/v1/role-tasks/T-1"
ROLES = "/api/v1/roles"
NO_ROLE = "role_" + "0" * 32


def get(path: str, *, query: str = "", tenant: str = "acme", **headers: str) -> tuple[int, Any, dict[str, str]]:
    name = "serve_material" if "role-tasks" in path else "serve_roles"
    return ask(name, "GET", path, domain="roles", query=query, tenant=tenant, **headers)


def test_what_is_put_is_stored_and_answered(database: dict[str, Any], material: None) -> None:
    status, stored, headers = get(MATERIAL)
    assert status == 200
    assert stored == {
        "task_id": "T-1",
        "base_info": {"industry": "", "audience": "", **BASE_INFO},
        "talk_style": TALK_STYLE,
        "products": PRODUCTS,
        "knowledge": KNOWLEDGE,
        "missing": [],
    }
    assert get(MATERIAL, if_none_match=headers["ETag"])[0] == 304
    put("talk-style", TALK_STYLE | {"tone": "热情"})
    status, changed, _ = get(MATERIAL, if_none_match=headers["ETag"])
    assert (status, changed["talk_style"]["tone"]) == (200, "热情")


def test_putting_twice_is_putting_once_and_a_shorter_list_replaces_a_longer_one(
    database: dict[str, Any], sql: Sql
) -> None:
    many = [{"title": f"第{n}条", "content": "内容"} for n in range(1, 6)]
    assert put("knowledge", {"items": many}) == put("knowledge", {"items": many}) == {"items": many}
    put("knowledge", {"items": many[3:4]})
    assert sql("SELECT position, title FROM role_knowledge") == [{"position": 1, "title": "第4条"}]
    assert put("knowledge", {"items": []}) == {"items": []}
    assert sql("SELECT position FROM role_knowledge") == []
    put("products", {"items": PRODUCTS})
    put("products", {"items": []})
    assert sql("SELECT position FROM role_products") == []


def test_a_tenants_material_is_its_own(database: dict[str, Any], material: None) -> None:
    assert get(MATERIAL, tenant="globex")[0] == 404
    put("base-info", BASE_INFO | {"company": "别家"}, tenant="globex")
    assert get(MATERIAL)[1]["base_info"]["company"] == "晨光口腔"
    assert get("/api/v1/role-tasks/t-1")[0] == 404, "ids compare letter by letter"


@pytest.mark.parametrize(
    ("kind", "body", "pointer"),
    [
        ("base-info", {"role_name": "小晨"}, "/company"),
        ("base-info", BASE_INFO | {"company": "  "}, "/company"),
        ("base-info", BASE_INFO | {"introduction": "x" * 2001}, "/introduction"),
        ("base-info", BASE_INFO | {"colour": "red"}, "/colour"),
        ("talk-style", {"tone": "x" * 201}, "/tone"),
        ("talk-style", {"tone": "好", "phrases": ["x"] * 11}, "/phrases"),
        ("talk-style", {"tone": "好", "avoid": ["x" * 101]}, "/avoid/0"),
        ("products", {"items": [{"name": "x"}] * 51}, "/items"),
        ("products", {"items": [{"name": "x" * 101}]}, "/items/0/name"),
        ("products", {"items": [{"name": "x", "selling_points": ["y"] * 11}]}, "/items/0/selling_points"),
        ("knowledge", {"items": [{"title": "x", "content": "y"}] * 101}, "/items"),
        ("knowledge", {"items": [{"title": "x", "content": "y" * 4001}]}, "/items/0/content"),
        ("knowledge", {}, "/items"),
    ],
)
def test_what_is_out_of_bounds_is_named_and_nothing_is_stored(
    database: dict[str, Any], kind: str, body: Any, pointer: str
) -> None:
    status, problem, _ = ask("serve_material", "PUT", f"{MATERIAL}/{kind}", body, domain="roles")
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    assert get(MATERIAL)[0] == 404


def test_the_most_that_may_be_put_is_kept_as_it_is(database: dict[str, Any]) -> None:
    points = ["😀" * 100] * 10
    products = [{"name": "名" * 100, "description": "述" * 2000, "price": "价" * 100, "selling_points": points}] * 50
    knowledge = [{"title": "题" * 100, "content": "知" * 4000}] * 60
    put("products", {"items": products})
    put("knowledge", {"items": knowledge})
    found = get(MATERIAL)[1]
    assert (found["products"], found["knowledge"]) == (products, knowledge)


@pytest.mark.parametrize("own_id", ["a b", "a%41", "a?b", "a#b", 'a"b', "a\\b", "a\n", "a\u00a0", "..", "x" * 65])
def test_an_id_that_cannot_be_one_is_refused_wherever_it_stands(database: dict[str, Any], own_id: str) -> None:
    refusals = [
        ask("serve_material", "PUT", f"/api/v1/role-tasks/{own_id}/{kind}", body, domain="roles")
        for kind, body in (("base-info", BASE_INFO), ("talk-style", TALK_STYLE), ("products", {"items": []}))
    ]
    refusals.append(ask("serve_material", "GET", f"/api/v1/role-tasks/{own_id}", domain="roles"))
    refusals.append(ask("serve_roles", "GET", ROLES, domain="roles", query=f"strategy_id={own_id}"))
    for name in ("task_id", "strategy_id"):
        submitted = {"kind": "role_creation", "params": PARAMS | {name: own_id}}
        refusals.append(ask("serve_tasks", "POST", "/api/v1/tasks", submitted))
    assert [status for status, _, _ in refusals] == [422] * 7
    assert {error["detail"] for _, answer, _ in refusals for error in answer["errors"]} == {OWN_ID_RULE}


@pytest.mark.parametrize("own_id", ["😀", "客户:1", "a.b~c", "a@b+c=d,e", "(x)!*'&;$[]{}|^`<>"])
def test_an_id_that_can_be_one_is_taken_wherever_it_stands(database: dict[str, Any], sql: Sql, own_id: str) -> None:
    path = f"/api/v1/role-tasks/{own_id}"
    assert ask("serve_material", "PUT", f"{path}/base-info", BASE_INFO, domain="roles")[0] == 200
    assert ask("serve_material", "GET", path, domain="roles")[1]["task_id"] == own_id
    submitted = {"kind": "role_creation", "params": {"task_id": own_id, "strategy_id": own_id}}
    assert ask("serve_tasks", "POST", "/api/v1/tasks", submitted)[0] == 202
    assert sql("SELECT task_id FROM role_base_info") == [{"task_id": own_id}]


def test_the_sample_events_are_answered(database: dict[str, Any]) -> None:
    assert call("roles", "serve_material", sample("roles", "serve_material"))["statusCode"] == 200
    assert call("roles", "serve_roles", sample("roles", "serve_roles"))["statusCode"] == 200


def test_roles_are_listed_by_page_and_strategy_and_read_by_version(
    model: StandIn, material: None, running: Running
) -> None:
    # GIVEN three roles of two strategies, one in two versions, and another tenant's
    def made(tenant_id: str = "acme", **changes: str) -> dict[str, Any]:
        task = running(tenant_id=tenant_id, **changes)
        result = create(task)
        close(task.task_id, task.attempt, Outcome(result=result))
        return result

    put("base-info", BASE_INFO, task_id="T-2")
    put("base-info", BASE_INFO, tenant="globex")
    first = made()
    made(strategy_id="S-2")
    made(task_id="T-2")
    made("globex")
    put("base-info", BASE_INFO | {"role_name": "小光"})
    made()

    # THEN the tenant's are listed, what was written last first
    status, page, headers = get(ROLES, query="page_size=2")
    assert status == 200
    assert [(role["task_id"], role["strategy_id"], role["version"]) for role in page["items"]] == [
        ("T-1", "S-1", 2),
        ("T-2", "S-1", 1),
    ]
    assert (page["total"], page["pages"], page["page"]) == (3, 2, 1)
    assert get(ROLES, query="page_size=2", if_none_match=headers["ETag"])[0] == 304
    assert len(get(ROLES, query="page_size=2&page=2")[1]["items"]) == 1
    following = get(ROLES, query=f"page_size=2&cursor={page['next_cursor']}")[1]
    assert following["items"] == get(ROLES, query="page_size=2&page=2")[1]["items"]
    assert (following["page"], following["next_cursor"]) == (2, None)
    assert get(ROLES, query=f"strategy_id=S-1&cursor={page['next_cursor']}")[0] == 400
    of_strategy = get(ROLES, query="strategy_id=S-2")[1]
    assert [role["strategy_id"] for role in of_strategy["items"]] == ["S-2"]
    assert of_strategy["total"] == 1
    assert get(ROLES, tenant="nobody")[1]["items"] == []

    # AND each version can be read
    role = f"{ROLES}/{first['role_id']}"
    status, latest, headers = get(role)
    assert (latest["version"], "小光" in latest["content"]["opening"]) == (2, True)
    assert get(role, if_none_match=headers["ETag"])[0] == 304
    status, earlier, _ = get(role, query="version=1")
    assert (earlier["version"], earlier["latest_version"], "小晨" in earlier["content"]["opening"]) == (1, 2, True)
    assert get(role, query="version=3")[0] == 404
    status, versions, headers = get(f"{role}/versions")
    assert [version["version"] for version in versions["items"]] == [2, 1]
    assert versions["items"][1]["made_by"] == earlier["made_by"]
    assert versions["items"][0].keys().isdisjoint({"content", "role_id"})
    assert get(f"{role}/versions", if_none_match=headers["ETag"])[0] == 304

    # AND nobody else reads any of them
    for path in (role, f"{role}/versions"):
        assert get(path, tenant="globex")[0] == 404


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (f"{ROLES}/{NO_ROLE}", "", 404),
        (f"{ROLES}/{NO_ROLE}/versions", "", 404),
        (f"{ROLES}/nonsense", "", 400),
        (ROLES, "page_size=0", 400),
        (ROLES, "page=100000", 400),
        (f"{ROLES}/{NO_ROLE}", "version=0", 400),
    ],
)
def test_what_is_not_there_or_cannot_be(database: dict[str, Any], path: str, query: str, status: int) -> None:
    assert get(path, query=query)[0] == status


def test_a_roles_id_tells_tenant_task_and_strategy_apart() -> None:
    named = {role_id_of(*ids) for ids in [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("b", "a", "c")]}
    assert len(named) == 4
    assert role_id_of("a", "b", "c") == role_id_of("a", "b", "c")


def test_without_a_database_it_says_so(model: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from longhaul.errors import DatabaseUnavailable

    def away() -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(database, "_connection", away)
    assert get(ROLES)[0] == 503
    assert ask("serve_material", "PUT", f"{MATERIAL}/base-info", BASE_INFO, domain="roles")[0] == 503
