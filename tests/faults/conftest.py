"""For the fault tests: campaigns on a stack at rest, and roll-ups that are exact whatever has gone wrong."""

from collections.abc import Iterator

import pytest

from tests.campaigns import Campaigns
from tests.observation import Observer
from tests.providing import Provider


@pytest.fixture
def campaigns(observer: Observer, provider: Provider) -> Iterator[Campaigns]:
    campaigns = Campaigns(observer, provider)
    yield campaigns
    assert_recounted(observer)
    campaigns.abandon()


# In one statement, so that what happens meanwhile is in both or in neither.
COUNTED_AND_RECOUNTED = """
SELECT 'counted' AS what, event, CAST(SUM(number) AS SIGNED) AS number
FROM (
    SELECT event, number FROM task_counts
    UNION ALL SELECT event, number FROM task_rollups WHERE span = 60 AND tenant_id = ''
) AS counts GROUP BY event
UNION ALL SELECT 'recounted', event, COUNT(*) FROM task_events WHERE event <> 'changed' GROUP BY event
UNION ALL SELECT 'recounted', 'submitted', COUNT(*) FROM tasks"""


@pytest.fixture(autouse=True)
def recounted(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test on the stack, what is counted is what a recount of the rows finds. (`campaigns` looks itself.)"""
    looks = "observer" in request.fixturenames and "campaigns" not in request.fixturenames
    caller: Observer | None = request.getfixturevalue("caller") if looks else None
    yield
    if caller is not None:
        assert_recounted(caller)


def assert_recounted(caller: Observer) -> None:
    found: dict[str, dict[str, int]] = {"counted": {}, "recounted": {}}
    for row in caller.sql(COUNTED_AND_RECOUNTED):
        if row["number"]:
            found[row["what"]][row["event"]] = int(row["number"])
    assert found["counted"] == found["recounted"]
