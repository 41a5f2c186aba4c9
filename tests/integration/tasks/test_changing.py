"""A task's priority and title changed: what is written down, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from longhaul import cache
from longhaul.cache import Namespace, Tier
from longhaul.errors import IllegalTransition, NotFound, PermanentError
from longhaul.tasks import lifecycle
from longhaul.tasks.changes import Wish
from longhaul.tasks.model import Priority, Task, task_tag, tenant_tag

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]


def details(sql: Sql) -> list[dict[str, Any]]:
    return [
        json.loads(row["detail"]) for row in sql("SELECT detail FROM task_events WHERE event = 'changed' ORDER BY id")
    ]


def test_what_was_changed_is_written_down(running_task: Running, sql: Sql) -> None:
    task = running_task()
    changed = lifecycle.change(task.task_id, "acme", Wish(priority=Priority.urgent))
    assert (changed.priority, changed.title, changed.status) == (Priority.urgent, task.title, task.status)
    assert changed.updated_at > task.updated_at
    changed = lifecycle.change(task.task_id, "acme", Wish(priority=Priority.low, title="珠三角"))
    assert (changed.priority, changed.title) == (Priority.low, "珠三角")
    assert details(sql) == [
        {"priority": ["normal", "urgent"]},
        {"priority": ["urgent", "low"], "title": ["广东省刷新", "珠三角"]},
    ]
    (row,) = sql("SELECT attempt, status FROM task_events WHERE event = 'changed' LIMIT 1")
    assert (row["attempt"], row["status"]) == (1, "RUNNING")


def test_what_is_so_already_is_not_changed(running_task: Running, sql: Sql) -> None:
    task = running_task()
    assert lifecycle.change(task.task_id, "acme", Wish(priority=task.priority, title=task.title)) == task
    assert details(sql) == []


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_of_what_has_ended_the_title_may_change_and_the_priority_may_not(
    running_task: Running, sql: Sql, status: str
) -> None:
    task = running_task()
    sql("UPDATE tasks SET status = %s", status)
    with pytest.raises(IllegalTransition, match=f"a {status} task cannot be reprioritised") as refused:
        lifecycle.change(task.task_id, "acme", Wish(priority=Priority.high, title="x"))
    assert refused.value.allowed_actions == (["retry"] if status == "FAILED" else [])
    assert lifecycle.change(task.task_id, "acme", Wish(title="2026年")).title == "2026年"
    assert details(sql) == [{"title": ["广东省刷新", "2026年"]}]


def test_another_tenants_task_is_not_changed(running_task: Running, sql: Sql) -> None:
    task = running_task()
    with pytest.raises(NotFound):
        lifecycle.change(task.task_id, "another", Wish(title="x"))
    with pytest.raises(NotFound):
        lifecycle.change(task.task_id + " ", "acme", Wish(title="x"))
    assert details(sql) == []


def test_a_check_that_fails_leaves_the_task_as_it_was(running_task: Running, sql: Sql) -> None:
    class Stale(PermanentError):
        pass

    def check(task: Task) -> None:
        assert task.title == "广东省刷新"
        raise Stale

    task = running_task()
    with pytest.raises(Stale):
        lifecycle.change(task.task_id, "acme", Wish(title="x"), check=check)
    assert (lifecycle.change(task.task_id, "acme", Wish()), details(sql)) == (task, [])


@pytest.mark.parametrize("scope", [task_tag, lambda _: tenant_tag("acme")])
def test_readers_do_not_see_what_was_cached_before(running_task: Running, scope: Callable[[str], str]) -> None:
    kept = Namespace("test", 1, Tier.short)
    task = running_task()
    assert cache.read(kept, "k", scope(task.task_id), lambda: "before").value == "before"
    lifecycle.change(task.task_id, "acme", Wish(title="x"))
    assert cache.read(kept, "k", scope(task.task_id), lambda: "after").value == "after"
    lifecycle.pause(task.task_id, "acme")
    assert cache.read(kept, "k", scope(task.task_id), lambda: "paused").value == "paused"
