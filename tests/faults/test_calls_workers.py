"""Workers of campaigns that are killed in the middle of their work."""

import time
from collections.abc import Callable

import pytest

from local.running import RunningStack, eventually
from tests.campaigns import Campaigns
from tests.observation import Observer
from tests.providing import Provider

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # the SDK's own

BLOCK_JOBS = 99
KILLS = 2


def test_workers_killed_while_they_hand_over_leads_have_nobody_called_twice(
    campaigns: Campaigns, provider: Provider
) -> None:
    # GIVEN a provider that takes leads at once and says so a little later
    provider.control(outbound={"slow_keys": {"AssignJobs": 1_000}, "call_lines": 0})
    count = BLOCK_JOBS + 1
    task_id = campaigns.submit(count)

    # WHEN whoever hands over the first batch dies before the answer comes, and so does whoever hands over the second
    for batch in (1, 2):
        eventually(lambda batch=batch: provider.calls("AssignJobs")["count"] == batch, pause=0.02)
        assert campaigns.kill("AssignJobs")
        campaigns.hand_over(task_id, min(batch * BLOCK_JOBS, count))

    # THEN each was found again, and handed over once
    assert provider.calls("AssignJobs")["count"] == 2
    campaigns.assert_nobody_called_twice(task_id)
    assert sum(campaigns.dialled().values()) == count
    campaigns.assert_counted(task_id)


def test_workers_killed_while_they_sync_and_judge_cost_only_time(
    campaigns: Campaigns, provider: Provider, stack: RunningStack
) -> None:
    # GIVEN a campaign whose provider and whose model take their time to answer
    log = stack.log("SyncJobs"), stack.log("AnalyseConversation")
    provider.control(latency_ms=250, outbound={"slow_keys": {"ListJobs": 300}, "call_seconds": 1, "call_lines": 8})
    task_id = campaigns.submit(14)

    # WHEN those are killed who wait for either, between one answer and the next commit or wherever they are
    def kill(function: str) -> Callable[[], bool]:
        def look() -> bool:
            campaigns.make_due(task_id)
            campaigns.page(task_id)
            return bool(campaigns.kill(function))

        return look

    for _ in range(KILLS):
        eventually(kill("SyncJobs"), pause=0.05)
        time.sleep(0.1)  # not always at the same place
    for _ in range(KILLS):
        eventually(kill("AnalyseConversation"), pause=0.05)
        campaigns.hurry(task_id)
    provider.control(outbound={"call_seconds": 0.3})
    campaigns.ended(task_id, hurry=True)

    # THEN all of it was done, and none of it twice
    assert stack.log("SyncJobs")[len(log[0]) :].count("Status: error") >= KILLS
    deaths = stack.log("AnalyseConversation")[len(log[1]) :].count("Status: error")
    assert deaths >= KILLS
    campaigns.assert_done(task_id)

    # AND no conversation was judged again but those of the dead: five records a worker
    asked = provider.calls("conversation")["by_key"]
    judged = [row for row in campaigns.rows(task_id) if row["is_interested"] is not None]
    assert asked.keys() == {row["call_job_id"] for row in judged}
    assert sum(asked.values()) <= len(judged) + deaths


def test_workers_killed_while_they_fetch_recordings_leave_one_of_each(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN a campaign that has ended, and a provider whose recordings take their time
    provider.control(outbound={"call_seconds": 0.2})
    task_id = campaigns.submit(7)
    campaigns.ended(task_id)
    provider.control(outbound={"slow_keys": {"DownloadRecording": 100, "recording": 100}})

    # WHEN those who copy them are killed while a reader wants to hear them all
    def states() -> list[str]:
        page = campaigns.page(task_id, page_size=100, skip_recording=False)
        return [item["recording_status"] for item in page["items"]]

    killed = 0
    while killed < 2:
        states()
        killed += campaigns.kill("FetchRecordings")
        campaigns.hurry(task_id)

    def ready() -> bool:
        campaigns.hurry(task_id)
        return "pending" not in states()

    eventually(ready)

    # THEN each call that was connected has its recording, once
    rows = campaigns.rows(task_id)
    connected = {row["call_job_id"]: row for row in rows if row["call_status"] == "Succeeded"}
    assert 0 < len(connected) < len(rows) or states().count("ready") == len(rows)
    bucket = observer.physical("RecordingsBucket")
    found = observer.aws("s3").list_objects_v2(Bucket=bucket, Prefix=f"local/{task_id}/")["Contents"]
    assert {entry["Key"] for entry in found} == {f"local/{task_id}/{job}.wav" for job in connected}
    assert {row["recording_url"] for row in connected.values()} == {f"s3://{bucket}/{entry['Key']}" for entry in found}
    assert all(entry["Size"] > 30_000 for entry in found)
    campaigns.assert_done(task_id)


def test_a_worker_killed_while_it_pauses_jobs_is_followed_by_another(
    campaigns: Campaigns, observer: Observer, provider: Provider
) -> None:
    # GIVEN a campaign whose jobs wait, and a provider that takes its time to say that they were suspended
    provider.control(outbound={"call_lines": 0, "slow_keys": {"SuspendJobs": 1_000}})
    task_id = campaigns.submit(6)
    eventually(lambda: campaigns.assigned(task_id) == 6)

    # WHEN it is paused, and whoever tells the provider dies before the answer
    assert observer.steer(task_id, "pause").status == 200
    eventually(lambda: provider.calls("SuspendJobs")["count"], pause=0.02)
    assert campaigns.kill("SteerCampaign")
    assert campaigns.row(task_id)["provider_state"] == "changing"

    def suspended() -> bool:
        campaigns.hurry(task_id)
        return bool(campaigns.row(task_id)["provider_state"] == "suspended")

    # THEN another tells it again, and the campaign can go on
    eventually(suspended)
    assert campaigns.progress(task_id).paused == 6
    provider.control(outbound={"call_seconds": 0.2})
    assert observer.steer(task_id, "resume").status == 200
    campaigns.ended(task_id)
    campaigns.assert_done(task_id)
