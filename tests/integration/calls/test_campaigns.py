"""Campaigns: opened with their leads, given more, closed when all of it is done."""

from typing import Any

import pytest

from calls import campaigns, conversation_analysis
from calls.leads import NewLead
from calls.messages import AnalyseMessage
from calls.model import CampaignClosed, Outcome, WrongKind
from longhaul import database
from longhaul.errors import InvalidRequest, NotFound
from longhaul.tasks import lifecycle, progress
from longhaul.tasks.submission import Submission
from tests.integration.calls.campaigning import (
    TENANT,
    Sql,
    assert_counted,
    assigned,
    fetched,
    leads,
    started,
    submitted,
    synced,
)
from tests.integration.calls.conftest import StandIn
from tests.submitting import submit

NOTHING = {
    **dict.fromkeys(("leads", "final", "interested", "followed", "talk_seconds"), 0),
    **{str(outcome): 0 for outcome in Outcome if outcome != Outcome.CALLING},
}


def new(number: int, first: int = 0) -> list[NewLead]:
    return [NewLead.model_validate(lead) for lead in leads(number, first)]


def test_submitting_is_one_row_and_opening_brings_the_leads_once(database: Any, sql: Sql) -> None:
    task = submitted(3)
    assert sql("SELECT COUNT(*) AS n FROM leads_task_list") == [{"n": 0}]
    first, again = campaigns.open_campaign(task), campaigns.open_campaign(task)
    assert (first.leads, again.leads) == (3, 3)
    rows = sql("SELECT leads_id, phone, tenant_id, job_seq FROM leads_task_list ORDER BY id")
    assert [row["leads_id"] for row in rows] == ["L-0", "L-1", "L-2"]
    assert rows[0] == {"leads_id": "L-0", "phone": "+8613800000000", "tenant_id": TENANT, "job_seq": None}


def test_more_leads_are_added_and_duplicates_told(database: Any, sql: Sql, sent: Any) -> None:
    # GIVEN a running campaign of L-0 to L-2
    task = started(3)

    # WHEN a page comes with one it has, one with a number it has, one twice, and two new ones
    page = [
        *new(1),
        NewLead(leads_id="other", phone="13800000001"),
        *new(2, 10),
        NewLead(leads_id="L-10", phone="13700000000"),
    ]
    added = campaigns.add_leads(task.task_id, TENANT, page, last=False)

    # THEN the new ones are added, and the others named by their place and by what is there already
    assert added == campaigns.Added(2, 5, [(0, "leads_id"), (1, "phone"), (4, "leads_id")])
    assert [row["leads_id"] for row in sql("SELECT leads_id FROM leads_task_list ORDER BY id")] == [
        "L-0",
        "L-1",
        "L-2",
        "L-10",
        "L-11",
    ]
    assert {"task_id": task.task_id} in sent("assign")


def test_leads_may_come_before_the_campaign_runs(database: Any, sql: Sql, sent: Any) -> None:
    task = submitted(1)
    assert campaigns.add_leads(task.task_id, TENANT, new(2, 5), last=False).leads == 3
    assert sent("assign") == [], "nobody is called before it runs"


def test_who_may_not_add_leads(database: Any, sql: Sql) -> None:
    task = submitted(1)
    with pytest.raises(NotFound):
        campaigns.add_leads(task.task_id, "another", new(1, 5), last=False)
    refresh = submit(Submission(TENANT, "ada", "hospital_province_refresh", {"province": "广东省"}))
    with pytest.raises(WrongKind):
        campaigns.add_leads(refresh.task_id, TENANT, new(1, 5), last=False)
    lifecycle.cancel(task.task_id, TENANT)
    with pytest.raises(CampaignClosed):
        campaigns.add_leads(task.task_id, TENANT, new(1, 5), last=False)


def test_an_open_campaign_waits_for_its_last_page(outbound: StandIn, sql: Sql) -> None:
    # GIVEN an open campaign without a lead
    task = started(0, open=True)
    campaigns.open_campaign(task)
    assert campaigns.close_if_complete(task.task_id) is False

    # WHEN the last page says that there are none
    campaigns.add_leads(task.task_id, TENANT, [], last=True)

    # THEN it is closed, with nothing done
    ended = fetched(task)
    assert (ended.status, ended.result) == (
        "SUCCEEDED",
        NOTHING,
    )
    with pytest.raises(CampaignClosed):
        campaigns.add_leads(task.task_id, TENANT, new(1), last=True)


def test_a_campaign_closes_when_every_lead_has_its_follow_up(outbound: StandIn, model: StandIn, sql: Sql) -> None:
    # GIVEN a campaign whose calls are over, and conversations that wait
    task = synced(20)
    assert fetched(task).status == "RUNNING"
    waiting = sql("SELECT job_seq FROM leads_task_list WHERE leads_follow_id IS NULL ORDER BY job_seq")
    assert waiting

    # WHEN the last is analysed
    for row in waiting:
        conversation_analysis.analyse(AnalyseMessage(task_id=task.task_id, job_seq=row["job_seq"]))

    # THEN the task has SUCCEEDED, and its result is what the rows say
    ended = fetched(task)
    assert (ended.status, ended.progress) == ("SUCCEEDED", 100)
    assert ended.result is not None
    interested = sql("SELECT COUNT(*) AS n FROM leads_task_list WHERE is_interested = 1")[0]["n"]
    connected = sql("SELECT COUNT(*) AS n FROM leads_task_list WHERE call_status = 'Succeeded'")[0]["n"]
    assert {name: ended.result[name] for name in ("leads", "final", "followed", "interested", "connected")} == {
        "leads": 20,
        "final": 20,
        "followed": 20,
        "interested": interested,
        "connected": connected,
    }
    assert sql("SELECT provider_state FROM call_campaigns") == [{"provider_state": "ended"}]
    assert_counted(sql, task)


def test_progress_is_the_share_of_calls_that_are_over(outbound: StandIn, sql: Sql) -> None:
    task = assigned(8)
    sql("INSERT INTO call_counts VALUES (%s, 'Succeeded', 3), (%s, 'Cancelled', 1)", task.task_id, task.task_id)
    with database.connection() as session:
        counted = progress.count_final(session, task)
    assert (counted.percent, counted.steps_done, counted.complete) == (50, 4, False)
    assert counted.statistics["leads"] == 8


def test_a_call_that_failed_is_over_and_not_done(outbound: StandIn, sql: Sql) -> None:
    task = assigned(8)
    rows = "(%s, 'Succeeded', 1), (%s, 'Failed', 7), (%s, 'no_answer', 2), (%s, 'failed', 5)"
    sql(f"INSERT INTO call_counts VALUES {rows}", *[task.task_id] * 4)
    with database.connection() as session:
        counted = progress.count_final(session, task)
    assert (counted.percent, counted.share, counted.steps_done, counted.complete) == (37, 1.0, 8, True)
    assert {name: counted.statistics[name] for name in ("final", "no_answer", "failed")} == {
        "final": 8,
        "no_answer": 2,
        "failed": 5,
    }


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"leads": []}, "a campaign needs leads"),
        ({"leads": leads(1) * 2}, "lead 1 repeats a leads_id"),
        ({"leads": [*leads(1), {"leads_id": "x", "phone": "13800000000"}]}, "lead 1 repeats a phone"),
        ({"leads": [{"leads_id": "x", "phone": "12345"}]}, "not a telephone number that can be called"),
        ({"leads": [{"leads_id": "x", "phone": "喂"}]}, "not a telephone number"),
        ({"leads": [{"leads_id": "", "phone": "13800000000"}]}, "at least 1 character"),
        ({"leads": leads(1001)}, "at most 1000 items"),
        ({"name": ""}, "at least 1 character"),
        ({"strategy": {"working_time": [{"begin": "9", "end": "18:00"}]}}, "match pattern"),
        ({"budget": 3}, "Extra inputs are not permitted"),
    ],
)
def test_what_no_campaign_is_made_of(database: Any, params: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        submitted(1, **params)
    assert message in refused.value.errors[0]["detail"]
    assert refused.value.errors[0]["pointer"].startswith("/params")
