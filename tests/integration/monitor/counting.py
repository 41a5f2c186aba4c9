"""Counts of tasks held against a recount of the rows."""

from collections import Counter
from collections.abc import Callable
from typing import Any

type Sql = Callable[..., list[dict[str, Any]]]
type Tally = Counter[tuple[str, str, str]]  # (tenant_id, kind, event)

RECOUNT = """
SELECT tasks.tenant_id, tasks.kind, task_events.event, COUNT(*) AS number
FROM task_events JOIN tasks ON tasks.task_id = task_events.task_id
WHERE task_events.event <> 'changed' GROUP BY 1, 2, 3
UNION ALL SELECT tenant_id, kind, 'submitted', COUNT(*) FROM tasks GROUP BY 1, 2"""
UNFOLDED = "SELECT tenant_id, kind, event, SUM(number) AS number FROM task_counts GROUP BY 1, 2, 3"
FOLDED = "SELECT tenant_id, kind, event, SUM(number) AS number FROM task_rollups WHERE span = %s GROUP BY 1, 2, 3"
TOTALS = """
SELECT tenant_id, span, start, kind, event, LEAST(bucket, 0) AS bucket, SUM(number) AS number,
    SUM(microseconds) AS took, MIN(shortest) AS shortest, MAX(longest) AS longest, SUM(units) AS units,
    MAX(best) AS best
FROM {table} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"""


def tally(rows: list[dict[str, Any]]) -> Tally:
    return Counter({(row["tenant_id"], row["kind"], row["event"]): int(row["number"]) for row in rows})


def recount(sql: Sql) -> Tally:
    return tally(sql(RECOUNT))


def counted(sql: Sql, span: int = 1) -> Tally:
    """What is counted of each tenant: what waits to be folded, with what stands in roll-ups of this span."""
    folded = tally(sql(FOLDED, span))
    of_tenants = Counter({key: number for key, number in folded.items() if key[0]})
    return tally(sql(UNFOLDED)) + of_tenants


def counted_of_all(sql: Sql, span: int = 1) -> Tally:
    """The same of all tenants together."""
    folded = tally(sql(FOLDED, span))
    together: Tally = Counter({key: number for key, number in folded.items() if not key[0]})
    for (_, kind, event), number in tally(sql(UNFOLDED)).items():
        together["", kind, event] += number
    return together


def together(counts: Tally) -> Tally:
    """Counts of tenants added up."""
    added: Tally = Counter()
    for (_, kind, event), number in counts.items():
        added["", kind, event] += number
    return added


def make_past(sql: Sql, minutes: int = 5) -> None:
    """What is counted happened some minutes ago, so that a fold takes it."""
    sql("UPDATE task_counts SET minute = minute - %s", minutes)


def totals_agree(sql: Sql) -> bool:
    """Whether what stands without buckets is what stands with them, span by span."""
    return sql(TOTALS.format(table="task_rollups")) == sql(TOTALS.format(table="task_totals"))
