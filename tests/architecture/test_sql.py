from collections.abc import Callable

import pytest

from tests.architecture import sql
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]
Rule = Callable[[Repository], list[str]]

STORE = '''"""Stores jobs: SELECT * FROM jobs is what it runs."""
from longhaul.database import queries

_sql = queries.load(__file__)


def fetch(session):
    return _sql.fetch_job(session, job_id="Select one from the list")
'''
GOOD = {
    "functions/calls/store.py": STORE,
    "functions/calls/queries.sql": "-- name: fetch_job^\nSELECT * FROM jobs WHERE job_id = :job_id;\n",
    "functions/database/migrations/0001_jobs.sql": "CREATE TABLE jobs (job_id INT);\n",
}
RULES = [sql.strings, sql.files, sql.names]

BAD = [
    (sql.strings, {"functions/calls/jobs.py": 'Q = "SELECT id FROM jobs"\n'}, "jobs.py:1 holds SQL"),
    (sql.strings, {"functions/calls/jobs.py": 'def f(t):\n    return f"DELETE FROM {t}"\n'}, "jobs.py:2 holds SQL"),
    (sql.strings, {"functions/calls/jobs.py": 'Q = """\nUPDATE jobs\nSET a = 1"""\n'}, "jobs.py:1 holds SQL"),
    (sql.strings, {"layers/longhaul/python/longhaul/x.py": 'Q = "INSERT INTO jobs VALUES (1)"'}, "x.py:1 holds SQL"),
    (sql.files, {"functions/calls/more.sql": "SELECT 1;\n"}, "more.sql is neither"),
    (sql.names, {"functions/calls/store.py": STORE.replace("fetch_job", "find_job")}, "fetch_job is used by nobody"),
    (sql.names, {"functions/calls/store.py": STORE.replace("fetch_job", "find_job")}, "store.py:8 calls find_job"),
    (sql.names, {"functions/calls/queries.sql": "-- name: fetch_job^\n-- name: fetch_job!\n"}, "is there twice"),
]


@pytest.mark.parametrize(("rule", "change", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, change: dict[str, str], finding: str, example: Example) -> None:
    assert finding in "\n".join(rule(example(GOOD | change)))
