"""Four ways to read a page of a campaign's jobs: naive (five queries for each job), batched, ours, and the floor.

Each is prepared for a task and a page on one open connection, and reads the page when called.
"""

from collections.abc import Callable
from typing import Any

from calls import page_store
from longhaul.database import Session
from longhaul.database.connections import Opened

JOB_IDS = """
    SELECT call_job_id
    FROM leads_task_list
    WHERE task_id = %s AND call_job_id IS NOT NULL AND call_job_id != ''
"""
# The naive queries for one job.
OF_A_JOB = (
    "SELECT call_status, planed_time, call_task_id, call_conversation, calling_number, recording_url "
    "FROM leads_task_list WHERE task_id = %(task)s AND call_job_id = %(job)s",
    "SELECT recording_url FROM leads_task_list WHERE task_id = %(task)s AND call_job_id = %(job)s",
    "SELECT is_interested, leads_follow_id FROM leads_task_list WHERE task_id = %(task)s AND call_job_id = %(job)s",
    "SELECT leads_follow_id FROM leads_task_list WHERE call_job_id = %(job)s",
    "SELECT is_interested, leads_follow_id FROM leads_task_list WHERE call_job_id = %(job)s",
)
FOLLOW = """
    SELECT id, leads_id, follow_time, leads_remark, frist_follow_time, new_follow_time, next_follow_time,
        is_arrive, frist_arrive_time
    FROM dcc_leads_follow
    WHERE id IN %s
"""

PAGE_OF_IDS = """
    SELECT call_job_id, COUNT(*) OVER() AS total_count
    FROM leads_task_list
    WHERE task_id = %s AND call_job_id IS NOT NULL AND call_job_id != ''
    ORDER BY id
    LIMIT %s OFFSET %s
"""
JOBS = """
    SELECT call_job_id, call_status, planed_time, call_task_id, call_conversation, calling_number, recording_url,
        is_interested, leads_follow_id
    FROM leads_task_list
    WHERE task_id = %s AND call_job_id IN %s
"""

BY_PRIMARY_KEY = """
    SELECT
        leads.job_seq, leads.leads_id, leads.name, leads.phone, leads.call_job_id, leads.call_status, leads.call_result,
        leads.planed_time, leads.actual_time, leads.duration_ms, leads.call_task_id, leads.call_conversation,
        leads.calling_number, leads.recording_url, leads.recording_state, leads.is_interested, leads.leads_follow_id
    FROM leads_task_list AS leads
    WHERE leads.id IN %s
"""

type Contender = Callable[[], int]  # reads the page and returns the number of its rows


def contenders(connection: Opened, task_id: str, first: int, size: int) -> dict[str, Contender]:
    """Return them by name, for the page of `size` jobs that begins at the ordinal `first`."""
    last = first + size - 1
    session = Session(connection, in_transaction=False)

    def query(sql: str, parameters: Any) -> list[dict[str, Any]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def naive() -> int:
        job_ids = [row["call_job_id"] for row in query(JOB_IDS, (task_id,)) if row["call_job_id"]]
        page = job_ids[first - 1 : last]
        for job_id in page:
            for statement in OF_A_JOB:
                (job,) = query(statement, {"task": task_id, "job": job_id})
            if job["leads_follow_id"]:
                query(FOLLOW, ((job["leads_follow_id"],),))
        return len(page)

    def advice() -> int:
        job_ids = [row["call_job_id"] for row in query(PAGE_OF_IDS, (task_id, size, first - 1))]
        jobs = {row["call_job_id"]: row for row in query(JOBS, (task_id, job_ids))}
        follow_ids = [row["leads_follow_id"] for row in jobs.values() if row["leads_follow_id"]]
        follows = {row["id"]: row for row in query(FOLLOW, (follow_ids,))}
        return len([(jobs[job_id], follows.get(jobs[job_id]["leads_follow_id"])) for job_id in job_ids])

    def ours() -> int:
        return len(page_store.list_page(session, task_id, first, last))

    ids = [
        row["id"]
        for row in query(
            "SELECT id FROM leads_task_list WHERE task_id = %s AND job_seq BETWEEN %s AND %s", (task_id, first, last)
        )
    ]

    def floor() -> int:
        return len(query(BY_PRIMARY_KEY, (ids,)))

    return {"naive": naive, "advice": advice, "ours": ours, "floor": floor}
