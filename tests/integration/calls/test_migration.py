"""The tables as production has them gain what is new, and their jobs are numbered. (migrate)"""

from typing import Any

from tests.calling import call
from tests.integration.calls.campaigning import Sql

SEED = """
CREATE TABLE leads_task_list (
    id BIGINT NOT NULL AUTO_INCREMENT, task_id VARCHAR(96) NOT NULL, leads_id VARCHAR(64) NOT NULL,
    call_job_id VARCHAR(64), call_status VARCHAR(32), planed_time DATETIME(3), call_task_id VARCHAR(64),
    call_conversation MEDIUMTEXT, calling_number VARCHAR(32), recording_url VARCHAR(1024), is_interested TINYINT,
    leads_follow_id BIGINT, PRIMARY KEY (id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""


def test_jobs_that_were_there_are_numbered_in_their_order(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN production's table, with jobs of two tasks, and a lead without one
    sql("DROP TABLE leads_task_list")
    sql(SEED)
    jobs = [("b", "1", "j1"), ("a", "2", "j2"), ("a", "3", ""), ("a", "4", "j4"), ("b", "5", None), ("a", "6", "j6")]
    for task_id, lead, job in jobs:
        sql("INSERT INTO leads_task_list (task_id, leads_id, call_job_id) VALUES (%s, %s, %s)", task_id, lead, job)
    sql("DELETE FROM _yoyo_migration WHERE migration_id = '0003_calls'")

    # WHEN it is migrated, twice (the first was killed before it was noted)
    for _ in range(2):
        assert call("database", "migrate", {}) == {"applied": ["0003_calls"]}
        sql("DELETE FROM _yoyo_migration WHERE migration_id = '0003_calls'")
    call("database", "migrate", {})

    # THEN each task's jobs are numbered from 1 in the order of their rows, and the others are not
    rows = sql("SELECT task_id, leads_id, job_seq FROM leads_task_list ORDER BY id")
    assert [(row["task_id"], row["leads_id"], row["job_seq"]) for row in rows] == [
        ("b", "1", 1),
        ("a", "2", 1),
        ("a", "3", None),
        ("a", "4", 2),
        ("b", "5", None),
        ("a", "6", 3),
    ]
