"""The largest inputs that are taken, in statements that leave RDS Proxy's connections shared: 16 KB at most."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from calls import store as calls_store
from calls.leads import MAX_LEADS_AT_ONCE
from diagnosis import store as diagnosis_store
from hospitals import store as hospitals_store
from hospitals.divisions import MAX_CHILDREN
from hospitals.model import Division, Hospital, Level
from longhaul import database
from longhaul.database.chunks import STATEMENT_BYTES, arrays, chunks, side_by_side
from longhaul.tasks import dispatch
from longhaul.tasks.model import Task
from longhaul.tasks.steps import PlannedStep, plan_steps
from roles import store as roles_store
from roles.model import MAX_KNOWLEDGE, MAX_PRODUCTS, Knowledge, Product
from tests.calling import ask

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Sql = Callable[..., list[dict[str, Any]]]
type Sizes = dict[str, int]


@pytest.fixture
def sizes(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Sizes:
    """The bytes of the largest statement of each name, as it went to the server."""
    from longhaul.database import Session

    seen: Sizes = {}
    run = Session.run

    def measured(self: Session, name: str, sql: str, parameters: Any) -> Any:
        cursor = self._connection.cursor()
        seen[name] = max(seen.get(name, 0), len(cursor.mogrify(sql, parameters).encode()))
        return run(self, name, sql, parameters)

    monkeypatch.setattr(Session, "run", measured)
    return seen


def too_large(sizes: Sizes) -> Sizes:
    return {name: size for name, size in sizes.items() if size > STATEMENT_BYTES}


def test_a_thousand_leads(sizes: Sizes, running_task: Callable[..., Task], sql: Sql) -> None:
    task = running_task("call_campaign", name="秋季回访", script_id="s", open=True)
    extras = json.dumps({"城市": '"上海"' * 10}, ensure_ascii=False)
    ids = [f"{number}".ljust(64, "L") for number in range(MAX_LEADS_AT_ONCE)]
    phones = [f"+86138{number:08}" for number in range(MAX_LEADS_AT_ONCE)]

    def add(tx: database.Session) -> None:
        calls_store.create_campaign(tx, task.task_id, more_leads=True)
        campaign = calls_store.lock_campaign(tx, task.task_id)
        assert campaign is not None
        assert calls_store.find_leads(tx, task.task_id, ids, phones) == set()
        rows = [[lead, phone, "王" * 50, extras] for lead, phone in zip(ids, phones, strict=True)]
        calls_store.insert_leads(tx, campaign, rows, more_leads=True)
        assert len(calls_store.find_leads(tx, task.task_id, ids, phones)) == 2 * MAX_LEADS_AT_ONCE
        attempts = [(lead, "2026-11-29 10:00:00.000", "无人接听") for lead in ids]
        calls_store.save_attempts(tx, campaign, attempts)
        jobs = [(row["id"], "j" * 64) for row in sql("SELECT 1 AS id")] * 99
        calls_store.finish_assigning(tx, campaign, jobs, stopped=False)

    database.run_transaction(add)
    assert too_large(sizes) == {}
    assert sizes["insert_leads"] > STATEMENT_BYTES // 2
    assert sql(
        "SELECT COUNT(*) AS leads, COUNT(leads_follow_id) AS followed, MIN(extras) AS extras FROM leads_task_list"
    ) == [{"leads": MAX_LEADS_AT_ONCE, "followed": MAX_LEADS_AT_ONCE, "extras": extras}]


def test_all_the_material_in_its_order(sizes: Sizes, sql: Sql) -> None:
    products = [
        Product(name=f"{n}号", description="好" * 2000, price="1 元", selling_points=["优" * 100] * 10)
        for n in range(1, MAX_PRODUCTS + 1)
    ]
    knowledge = [Knowledge(title=f"{n}".ljust(100, "题"), content="知" * 4000) for n in range(1, MAX_KNOWLEDGE + 1)]

    def save(tx: database.Session) -> None:
        roles_store.save_products(tx, "acme", "T-1", products)
        roles_store.save_knowledge(tx, "acme", "T-1", knowledge)

    database.run_transaction(save)
    assert too_large(sizes) == {}
    with database.connection() as session:
        found = roles_store.fetch_material(session, "acme", "T-1")
    assert (found.products, found.knowledge) == (products, knowledge)

    # AND a shorter list takes the place of a longer one
    database.run_transaction(lambda tx: roles_store.save_knowledge(tx, "acme", "T-1", knowledge[:2]))
    with database.connection() as session:
        assert roles_store.fetch_material(session, "acme", "T-1").knowledge == knowledge[:2]


def test_a_district_of_a_thousand_hospitals_of_which_most_go(sizes: Sizes, sql: Sql) -> None:
    hospitals = [
        Hospital(
            name=f"{n}".ljust(60, "院"), level=Level.TWO, type="综合医院", address="路" * 80, phone="0", confidence=0.5
        )
        for n in range(1000)
    ]
    divisions = [Division(code=str(440100 + n), name="区" * 50) for n in range(MAX_CHILDREN)]
    with database.connection() as session:
        hospitals_store.save_cities(session, "440000", divisions)
        hospitals_store.save_districts(session, "440100", divisions)
    write = hospitals_store.save_hospitals
    assert database.run_transaction(lambda tx: write(tx, "t1", "440103", hospitals)) == 1000
    assert database.run_transaction(lambda tx: write(tx, "t2", "440103", hospitals)) == 0
    assert database.run_transaction(lambda tx: write(tx, "t3", "440103", hospitals[:10])) == 990
    assert sql("SELECT listed, gone_by, COUNT(*) AS n FROM hospitals GROUP BY listed, gone_by ORDER BY listed") == [
        {"listed": 0, "gone_by": "t3", "n": 990},
        {"listed": 1, "gone_by": None, "n": 10},
    ]
    assert too_large(sizes) == {}


def test_the_steps_and_cells_of_the_largest_diagnosis(
    sizes: Sizes, running_task: Callable[..., Task], sql: Sql
) -> None:
    task = running_task()
    keys = [f"q{n:02}/".ljust(68, "m") + str(n % 10) for n in range(500)]
    planned = [
        PlannedStep(key, "ai_fetching", "问" * 200) for key in dict.fromkeys(f"{n}{key}" for n, key in enumerate(keys))
    ]
    database.run_transaction(lambda tx: plan_steps(tx, task.task_id, 1, planned))
    database.run_transaction(lambda tx: diagnosis_store.take_over(tx, task.task_id, "t-0", keys))
    database.run_transaction(
        lambda tx: dispatch.advance(tx, task.kind, 1.0, {f"{n}".ljust(64, "t"): 1.0 for n in range(1000)})
    )
    assert sql("SELECT COUNT(*) AS steps FROM task_steps") == [{"steps": 500}]
    assert too_large(sizes) == {}


def test_a_hundred_tasks_at_once(sizes: Sizes, sql: Sql) -> None:
    # GIVEN a hundred campaigns with keys of 255 characters, two of which are the same role's
    items: list[dict[str, Any]] = [
        {
            "kind": "call_campaign",
            "title": "题" * 200,
            "params": {"name": "秋" * 100, "script_id": "s" * 64, "open": True},
            "idempotency_key": f"{n}".ljust(255, "k"),
        }
        for n in range(98)
    ]
    items += [{"kind": "hospital_province_refresh", "params": {"province": "广东省"}, "idempotency_key": "twin"}] * 2

    # WHEN they are submitted, and again
    for _ in range(2):
        status, answer, _ = ask("serve_batches", "POST", "/api/v1/tasks/batch", {"items": items})
        assert status in {200, 207}
        assert {item["status"] for item in answer["items"]} <= {200, 201, 202}

    # THEN each is there once, in statements that fit
    assert sql("SELECT COUNT(*) AS tasks FROM tasks") == [{"tasks": 99}]
    assert too_large(sizes) == {}


def test_rows_stay_in_their_order_and_one_that_is_too_large_goes_alone() -> None:
    rows = [["a"], ["x" * 20_000], ["b"], ["c"]]
    assert list(chunks(rows)) == [rows[:1], rows[1:2], rows[2:]]
    assert [json.loads(text) for text in arrays(rows)] == [rows[:1], rows[1:2], rows[2:]]
    assert list(chunks([])) == []
    assert list(side_by_side(["a", "b"], ["1", "2"])) == [(["a", "b"], ["1", "2"])]
