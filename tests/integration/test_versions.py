"""Cache entries of other versions of the code: tomorrow's are read without what is new, an unreadable one is a miss.

The entries below were written by the version of 2026-11-29, that of a page of calls by the one of 2026-11-30, and stay
as they are. (See tests/unit/test_versions.py)
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from calls import pages
from calls.wire import write_page
from longhaul import aws
from longhaul.cache.compression import pack
from longhaul.tasks import recovery
from longhaul.tasks.model import Task
from roles import material
from tests.gateway import TASKS as TASK_FUNCTIONS
from tests.gateway import Api
from tests.unit.test_versions import tomorrows

type Sql = Callable[..., list[dict[str, Any]]]

ROW = """{"id": 7, "task_id": "ID", "tenant_id": "acme", "user_id": "ada", "kind": "hospital_province_refresh",
    "title": "昨天", "status": "SUCCEEDED", "priority": 2, "progress": 100, "steps_done": 9, "stage": "district",
    "current_step": "正在获取区县数据：越秀区", "statistics": {"hospitals_found": 81}, "result": {"hospitals": 81},
    "error_code": null, "error_message": null, "attempt": 1, "retries": 0, "max_retries": 3,
    "heartbeat_at": null, "execution_arn": null, "request_digest": "", "run_after": "2026-11-29T10:11:12.123456Z",
    "deadline": "2026-11-29T12:11:12.123456Z", "created_at": "2026-11-29T10:11:12.123456Z",
    "started_at": null, "updated_at": "2026-11-29T10:12:00Z", "finished_at": "2026-11-29T10:12:00Z"}"""
DOCUMENT = """{"task_id": "ID", "kind": "hospital_province_refresh", "title": "昨天", "status": "SUCCEEDED",
    "priority": "high", "progress": 100, "stage": "district", "current_step": null,
    "statistics": {"hospitals_found": 81}, "result": {"hospitals": 81}, "error": null, "attempt": 1, "run_after": null,
    "deadline": null, "queue_position": null, "eta_seconds": null, "created_at": "2026-11-29T10:11:12.123Z",
    "started_at": null, "updated_at": "2026-11-29T10:12:00.000Z", "finished_at": "2026-11-29T10:12:00.000Z",
    "cache_sync_status": null, "allowed_actions": [], "links": {"self": "/api/v1/tasks/ID"}}"""
SUMMARY = """{"task_id": "ID", "kind": "hospital_province_refresh", "title": "昨天", "status": "SUCCEEDED",
    "priority": "high", "progress": 100, "created_at": "2026-11-29T10:11:12.123Z",
    "updated_at": "2026-11-29T10:12:00.000Z"}"""
EVENT = """{"event": "昨天", "status": "RUNNING", "attempt": 1, "detail": {}, "at": "2026-11-29T10:11:12.123Z"}"""
MATERIAL = """{"base_info": {"company": "昨天", "role_name": "小晨", "industry": "", "goal": "", "audience": "",
    "introduction": ""}, "talk_style": null, "products": [], "knowledge": []}"""


class Case(NamedTuple):
    """An entry of a namespace: what reads it for a task, what it holds, and which field of it cannot be missed."""

    namespace: str
    read: Callable[[Task], Any]
    entry: str
    needed: str


def get(path: str, query: str = "", functions: tuple[str, ...] = TASK_FUNCTIONS) -> Callable[[Task], Any]:
    def read(task: Task) -> Any:
        api = Api(scope="tasks:read tasks:write directory:read", functions=functions)
        return api.get(path.replace("ID", task.task_id), query)

    return read


def page(task: Task) -> Any:
    read = pages.read(pages.Span(task.task_id, first=1, size=20), "acme", recordings=False)
    return json.loads(write_page(read, skip_recording=True)[0]) | {"cache": None, "synced_at": None}


DIRECTORY = ("hospitals.serve_hospitals",)
LISTED = '"last": null, "total": 1, "read_at": 1795947072.5}'
CASES = [
    Case("task", get("/api/v1/tasks/ID"), ROW, "attempt"),
    Case("task_lists", get("/api/v1/tasks"), f'{{"items": [{DOCUMENT}], {LISTED}', "links"),
    Case("task_lists", get("/api/v1/tasks/summary"), f'{{"items": [{SUMMARY}], {LISTED}', "title"),
    Case(
        "task_lists",
        get("/api/v1/tasks/ID/events"),
        f'{{"items": [{EVENT}], "next_cursor": null, "read_at": 1795947072.5}}',
        "at",
    ),
    Case(
        "call_pages",
        page,
        """{"status": "RUNNING", "leads": 1, "total": 1, "counts": {"Succeeded": 1}, "synced_at": 1795947072.5,
        "open_blocks": [], "pending": [], "items": "[{\\"leads_id\\":\\"昨天\\"}]"}""",
        "items",
    ),
    Case(
        "divisions",
        get("/api/v1/provinces/440000/cities", functions=DIRECTORY),
        '{"items": [{"code": "440100", "name": "昨天"}], "total": 1}',
        "name",
    ),
    Case(
        "hospitals",
        get("/api/v1/hospitals", "province=440000", DIRECTORY),
        """{"items": [{"district_code": "440103", "district_name": "荔湾区", "name": "昨天", "level": "三级甲等",
        "type": "综合医院", "address": "中山路 1 号", "phone": "", "confidence": 0.9,
        "updated_at": "2026-11-29T10:11:12.123Z"}], "total": 1}""",
        "type",
    ),
    Case("role_material", lambda _: material.read("acme", "T-1").model_dump(), MATERIAL, "company"),
]


@pytest.fixture(params=CASES, ids=[f"{case.namespace}{number}" for number, case in enumerate(CASES)])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def task(running_task: Callable[..., Task], case: Case) -> Task:
    """With an entry of this version for what the case reads."""
    if case.namespace == "call_pages":
        lead = {"leads_id": "L-1", "phone": "13800138000"}
        made = running_task("call_campaign", name="秋季回访", script_id="script-1", leads=[lead])
    else:
        made = running_task()
    case.read(made)
    return made


def put(namespace: str, value: bytes) -> None:
    """Into the namespace's one entry."""
    dynamodb = aws.client("dynamodb")
    items = dynamodb.scan(TableName="cache")["Items"]
    (entry,) = (item for item in items if item["pk"]["S"].startswith(f"{namespace}:"))
    dynamodb.put_item(TableName="cache", Item={**entry, "value": {"B": value}, "added_tomorrow": {"S": "x"}})


def test_entries_of_yesterdays_version_and_of_tomorrows_are_read(case: Case, task: Task, statements: list[str]) -> None:
    written = json.loads(case.entry.replace("ID", task.task_id))
    put(case.namespace, pack(written))
    statements.clear()
    yesterday = case.read(task)
    assert "昨天" in json.dumps(yesterday, ensure_ascii=False)
    put(case.namespace, pack(tomorrows(written)))
    assert case.read(task) == yesterday
    assert not any(name.startswith(("find", "fetch")) for name in statements), statements


def without(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [without(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: without(member, name) for key, member in value.items() if key != name}


@pytest.mark.parametrize("broken", ["a field is missing", "packed otherwise", "no text"])
def test_an_entry_that_this_version_cannot_read_is_a_miss(case: Case, task: Task, broken: str) -> None:
    own = case.read(task)
    written = json.loads(case.entry.replace("ID", task.task_id))
    missing = pack(without(written, case.needed))
    put(case.namespace, {"packed otherwise": b"\x78broken", "no text": b"\xff\xfe"}.get(broken, missing))
    assert case.read(task) == own
    assert case.read(task) == own, "and is replaced"


def test_a_task_of_a_kind_that_this_version_does_not_know_keeps_nobody_from_being_recovered(
    running_task: Callable[..., Task], sql: Sql
) -> None:
    # GIVEN two tasks past their deadline, the first of a kind that comes with tomorrow's version
    tomorrow, known = running_task(), running_task()
    sql("UPDATE tasks SET deadline = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    sql("UPDATE tasks SET kind = 'film' WHERE id = %s", tomorrow.id)
    # WHEN what is overdue is looked for
    assert recovery.recover()["overdue"] == 1
    # THEN the other is failed, and that one is left to the version that knows it
    rows = sql("SELECT id, status FROM tasks ORDER BY id")
    assert [(row["id"], row["status"]) for row in rows] == [(tomorrow.id, "RUNNING"), (known.id, "FAILED")]
