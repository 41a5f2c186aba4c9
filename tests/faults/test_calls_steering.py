"""Campaigns paused, resumed and cancelled in a row: the provider ends up where the task does."""

import pytest

from local.running import eventually
from tests.campaigns import Campaigns
from tests.observation import Observer
from tests.providing import Provider

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # the SDK's own

SLOW = {"SuspendJobs": 400, "ResumeJobs": 400, "CancelJobs": 400}


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["pause", "resume", "pause"], "suspended"),
        (["pause", "resume", "pause", "resume"], "running"),
        (["pause", "resume", "pause", "cancel"], "cancelled"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_campaign_steered_to_and_fro_ends_where_its_task_does(
    campaigns: Campaigns, observer: Observer, provider: Provider, actions: list[str], state: str
) -> None:
    # GIVEN a campaign in the middle of its calls, and a provider slower than its callers
    provider.control(outbound={"call_seconds": 3, "call_lines": 2, "slow_keys": SLOW})
    task_id = campaigns.submit(40)
    eventually(lambda: campaigns.assigned(task_id) == 40)

    # WHEN its callers cannot make up their minds
    for action in actions:
        eventually(lambda action=action: observer.steer(task_id, action).status == 200, pause=0.02)

    # THEN the provider has been told what they settled on
    eventually(lambda: _settled(campaigns, observer, task_id, state))
    told = campaigns.progress(task_id)
    waiting = {"suspended": told.paused, "running": told.scheduling, "cancelled": told.cancelled}[state]
    assert waiting + told.executing + told.total_completed + told.failed == told.total_jobs == 40
    assert waiting > 0

    # AND no call begins any more, unless it is running; then it comes to its end
    if state == "running":
        provider.control(outbound={"call_seconds": 0.1})
        campaigns.ended(task_id)
        campaigns.assert_done(task_id)
    else:
        provider.control(outbound={"call_seconds": 0.1})
        eventually(lambda: not campaigns.progress(task_id).executing)
        after = campaigns.progress(task_id)
        assert (after.scheduling, {"suspended": after.paused, "cancelled": after.cancelled}[state]) == (0, waiting)

        # AND its rows come to say so, each of them once
        statuses = {"suspended": {"Paused", "Succeeded", "Failed"}, "cancelled": {"Cancelled", "Succeeded", "Failed"}}
        eventually(lambda: campaigns.pages(task_id)[0]["counts"].keys() <= statuses[state])
        observer.settle()
        campaigns.assert_nobody_called_twice(task_id)
        campaigns.assert_counted(task_id)


def _settled(campaigns: Campaigns, observer: Observer, task_id: str, state: str) -> bool:
    """Whether the provider was told so, and nobody is about to tell it something else."""
    campaign, status = campaigns.row(task_id), observer.task(task_id)["status"]
    busy = observer.stack.pids("SteerCampaign", busy=True)
    return campaign["provider_state"] == state and not busy and status != "PENDING"


def test_a_campaign_paused_while_leads_are_handed_over_can_be_resumed(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN leads that the provider has taken, but has not said so yet
    provider.control(outbound={"call_lines": 0, "slow_keys": {"AssignJobs": 1_000, "SuspendJobs": 2_000}})
    task_id = campaigns.submit(6)
    eventually(lambda: provider.calls("AssignJobs")["count"], pause=0.02)

    # WHEN the campaign is paused, and the answer about the leads comes while the provider is being told
    assert observer.steer(task_id, "pause").status == 200
    eventually(lambda: provider.calls("SuspendJobs")["count"], pause=0.02)
    eventually(lambda: campaigns.assigned(task_id) == 6)
    observer.settle()

    # THEN its jobs are suspended, and known to be
    assert campaigns.progress(task_id).paused == 6

    # AND when it is resumed, so are they
    provider.control(outbound={"call_seconds": 0.2})
    assert observer.steer(task_id, "resume").status == 200
    campaigns.ended(task_id, seconds=20)
    campaigns.assert_done(task_id)


def test_leads_handed_over_while_the_provider_was_told_to_pause_are_paused_too(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN a campaign whose second batch of leads was handed over by one who died, and is being looked for
    provider.control(outbound={"call_lines": 0})
    task_id = campaigns.submit(4, open=True)
    eventually(lambda: campaigns.assigned(task_id) == 4)
    provider.control(outbound={"call_lines": 0, "fail_keys": {"AssignJobs": "drop"}})
    campaigns.add(task_id, 3)
    eventually(lambda: campaigns.row(task_id)["assigning_first"])
    provider.control(outbound={"call_lines": 0, "slow_keys": {"DescribeJobGroup": 1_000, "SuspendJobs": 2_000}})
    known = provider.calls("DescribeJobGroup")["count"]

    def looked_for() -> bool:
        campaigns.hurry(task_id)
        return provider.calls("DescribeJobGroup")["count"] > known

    eventually(looked_for, pause=0.05)

    # WHEN the campaign is paused: the provider suspends its jobs, takes the leads, and only then says so
    assert observer.steer(task_id, "pause").status == 200
    eventually(lambda: campaigns.assigned(task_id) == 7)

    # THEN they are suspended too
    eventually(lambda: campaigns.progress(task_id).paused == 7, 15)


def test_leads_of_a_campaign_cancelled_while_they_are_handed_over_are_not_called(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN a provider that takes its time to make a group, and whose answer about the leads will be lost
    provider.control(
        outbound={"call_lines": 0, "slow_keys": {"CreateJobGroup": 1_500}, "fail_keys": {"AssignJobs": "lost_answer"}}
    )
    task_id = campaigns.submit(5)
    eventually(lambda: provider.calls("CreateJobGroup")["count"], pause=0.02)

    # WHEN the campaign is cancelled meanwhile
    assert observer.cancel(task_id).status == 200
    eventually(lambda: campaigns.row(task_id)["job_group_id"])
    observer.settle()

    # THEN none of them is called, nor will be
    eventually(lambda: not sum(campaigns.dialled().values()), 15)
