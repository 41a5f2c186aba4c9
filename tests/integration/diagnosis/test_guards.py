"""What the statements of diagnoses keep: the first answer, what was paid, whose it is, and the budget that was set."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from diagnosis import store
from diagnosis.model import Budget, Extraction, Sum
from diagnosis.store import StoredCell
from longhaul import database as longhaul_database
from longhaul.database import Session
from longhaul.llm.usage import Usage

type Row = dict[str, Any]
type Sql = Callable[..., list[Row]]

HERE, THERE, THEIRS = "diagnosis_1", "diagnosis_2", "diagnosis_3"
KEY, OTHER = "q01/qwen", "q02/qwen"
FIRST = Extraction(named=True, rank=1, sentiment=0.5, named_too=[], others=[], sources=[], disputed=False)
SECOND = FIRST.model_copy(update={"rank": 2})


def usage(requests: int) -> Usage:
    return Usage("qwen", requests, 10 * requests, 3 * requests, Decimal("0.5") * requests, 2.0 * requests, False)


@pytest.fixture(autouse=True)
def tasks(database: Row, sql: Sql) -> None:
    """Two diagnoses of a tenant and one of another's."""
    for task_id, tenant in ((HERE, "acme"), (THERE, "acme"), (THEIRS, "other")):
        sql(
            "INSERT INTO tasks (task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries,"
            " attempt, request_digest, run_after, created_at, updated_at)"
            " VALUES (%s, %s, 'ada', 'brand_diagnosis', 't', '{}',"
            " 'RUNNING', 1, 3, 1, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
            *(task_id, tenant),
        )


def done(work: Callable[[Session], object]) -> object:
    return longhaul_database.run_transaction(work)


def cell(task_id: str = HERE, key: str = KEY) -> StoredCell:
    with longhaul_database.connection() as session:
        found = store.fetch_cell(session, task_id, key)
    assert found is not None
    return found


def test_of_two_answers_and_readings_the_first_stays_and_both_are_paid_for() -> None:
    done(lambda tx: store.settle(tx, HERE, KEY, usage(1), answer="第一"))
    answered_at = cell().answered_at
    done(lambda tx: store.settle(tx, HERE, KEY, usage(2), answer="第二", extraction=FIRST))
    done(lambda tx: store.settle(tx, HERE, KEY, usage(4), extraction=SECOND))
    kept = cell()
    assert (kept.answer, kept.extraction, kept.answered_at) == ("第一", FIRST, answered_at)
    assert (kept.requests, kept.prompt_tokens, kept.completion_tokens) == (7, 70, 21)
    assert (kept.cost, kept.seconds) == (Decimal("3.5"), 14.0)


def test_an_answer_that_comes_after_a_failed_request_is_stored() -> None:
    done(lambda tx: store.settle(tx, HERE, KEY, usage(1)))
    assert cell().answer is None
    done(lambda tx: store.settle(tx, HERE, KEY, usage(1), answer="迟到"))
    done(lambda tx: store.settle(tx, HERE, KEY, usage(1), extraction=FIRST))
    assert (cell().answer, cell().extraction) == ("迟到", FIRST)
    assert cell().answered_at is not None


def test_what_was_reserved_is_free_again_when_it_is_settled_and_spent_when_it_is_lost(sql: Sql) -> None:
    # GIVEN two cells of which each has something reserved, and another diagnosis's
    for task_id, key in ((HERE, KEY), (HERE, OTHER), (THERE, KEY)):
        done(lambda tx, task_id=task_id, key=key: store.reserve(tx, task_id, key, Sum(100, Decimal(2))))

    # WHEN one is settled and the other was lost
    done(lambda tx: store.settle(tx, HERE, KEY, usage(1), answer="好"))
    done(lambda tx: store.settle_lost(tx, HERE, OTHER))
    done(lambda tx: store.settle_lost(tx, HERE, OTHER))

    # THEN the first cost what it took, the second what was reserved, once; the other diagnosis's still is
    with longhaul_database.connection() as session:
        here, there = store.sum_costs(session, HERE), store.sum_costs(session, THERE)
    assert (here.spent, here.reserved) == (Sum(113, Decimal("2.5")), Sum(0, Decimal(0)))
    assert (there.spent, there.reserved) == (Sum(0, Decimal(0)), Sum(100, Decimal(2)))


def test_answers_are_taken_over_once_from_the_tenants_own_diagnosis_alone(sql: Sql) -> None:
    # GIVEN answers of three diagnoses, and a cell that was asked in vain
    for task_id in (THERE, THEIRS):
        for key in (KEY, OTHER):
            done(
                lambda tx, task_id=task_id, key=key: store.settle(tx, task_id, key, usage(1), answer=f"{task_id} {key}")
            )
    done(lambda tx: store.settle(tx, THERE, "q03/qwen", usage(1)))

    # WHEN one takes over some of another's
    assert done(lambda tx: store.take_over(tx, HERE, THERE, [KEY, "q03/qwen"])) == 1
    assert done(lambda tx: store.take_over(tx, HERE, THEIRS, [OTHER])) == 0

    # THEN it has what was named and answered, unpaid, and what it has stays
    assert done(lambda tx: store.take_over(tx, HERE, THERE, [KEY])) == 0
    taken = sql("SELECT cell_key, asked_by, answer, cost FROM diagnosis_cells WHERE task_id = %s", HERE)
    assert taken == [{"cell_key": KEY, "asked_by": THERE, "answer": f"{THERE} {KEY}", "cost": Decimal(0)}]


def test_a_budget_that_was_set_before_the_plan_stays_and_a_new_one_is_to_be_told_of(sql: Sql) -> None:
    for task_id in (HERE, THERE):
        done(lambda tx, task_id=task_id: store.begin(tx, task_id, Budget(max_tokens=100)))
    done(lambda tx: store.change_budget(tx, HERE, Budget(), {"max_cost": Decimal(3), "max_tokens": 200}))
    done(lambda tx: store.begin(tx, HERE, Budget(max_tokens=300)))
    for task_id in (HERE, THERE):
        done(lambda tx, task_id=task_id: store.mark_caller_notified(tx, task_id))
    done(lambda tx: store.change_budget(tx, THERE, Budget(), {"max_cost": None, "max_tokens": None}))
    done(lambda tx: store.save_report(tx, HERE, "{}"))
    rows = sql("SELECT max_cost, max_tokens, told, report FROM diagnoses ORDER BY task_id")
    assert rows == [
        {"max_cost": Decimal(3), "max_tokens": 200, "told": 1, "report": "{}"},
        {"max_cost": None, "max_tokens": None, "told": 0, "report": None},
    ]
