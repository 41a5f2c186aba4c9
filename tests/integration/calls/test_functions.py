"""The functions of calls by their sample events, made to fit a real campaign, and what reaches them broken."""

import json
from typing import Any

import pytest

from local.running import eventually
from tests.calling import call, records, sample
from tests.integration.calls.campaigning import Sql, assert_counted, assigned, fetched, leads, started, synced
from tests.integration.calls.conftest import StandIn

DONE: dict[str, Any] = {"batchItemFailures": []}


def fitted(name: str, **body: Any) -> dict[str, Any]:
    """The sample event with this message."""
    event = sample("calls", name)
    event["Records"][0]["body"] = json.dumps(json.loads(event["Records"][0]["body"]) | body)
    return event


def test_the_functions_of_a_campaign_from_its_start_to_its_end(outbound: StandIn, model: StandIn, sql: Sql) -> None:
    task = started(5)
    assert call("calls", "steer_campaign", fitted("steer_campaign", task_id=task.task_id)) == DONE
    assert call("calls", "assign_jobs", fitted("assign_jobs", task_id=task.task_id)) == DONE
    assert_counted(sql, task)

    def over() -> bool:
        assert call("calls", "sync_jobs", fitted("sync_jobs", task_id=task.task_id, blocks=[0])) == DONE
        return not sql("SELECT 1 FROM call_blocks WHERE due_at IS NOT NULL")

    eventually(over, pause=0.02)
    assert call("calls", "sweep_campaigns", sample("calls", "sweep_campaigns"))["blocks"] == 0
    for row in sql("SELECT job_seq FROM leads_task_list WHERE call_status = 'Succeeded'"):
        event = fitted("analyse_conversation", task_id=task.task_id, job_seq=row["job_seq"])
        assert call("calls", "analyse_conversation", event) == DONE
        event = fitted("fetch_recordings", task_id=task.task_id, job_seqs=[row["job_seq"]])
        assert call("calls", "fetch_recordings", event) == DONE
    assert fetched(task).status == "SUCCEEDED"
    assert_counted(sql, task)


@pytest.mark.parametrize(
    "name", ["steer_campaign", "assign_jobs", "sync_jobs", "analyse_conversation", "fetch_recordings"]
)
def test_a_message_that_cannot_be_read_is_reported_alone(name: str, outbound: StandIn, model: StandIn) -> None:
    good = json.loads(sample("calls", name)["Records"][0]["body"])  # of a campaign that is not there: nothing to do
    answer = call("calls", name, records("not json", good, {"task_id": ""}))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m2"}]}


def test_every_message_three_times(outbound: StandIn, model: StandIn, sql: Sql) -> None:
    task = synced(6)
    seqs = [row["job_seq"] for row in sql("SELECT job_seq FROM leads_task_list WHERE call_status = 'Succeeded'")]
    for name, body in (
        ("steer_campaign", {"task_id": task.task_id, "attempt": 1}),
        ("assign_jobs", {"task_id": task.task_id}),
        ("sync_jobs", {"task_id": task.task_id, "blocks": [0]}),
        ("analyse_conversation", {"task_id": task.task_id, "job_seq": seqs[0]}),
        ("fetch_recordings", {"task_id": task.task_id, "job_seqs": seqs}),
    ):
        assert call("calls", name, records(body, body, body)) == DONE
        assert call("calls", name, records(body)) == DONE
    assert set(outbound.dialled().values()) == {1}
    assert outbound.calls("conversation")["count"] == 1
    assert outbound.calls("DownloadRecording")["count"] == len(seqs)
    assert_counted(sql, task)


def test_leads_over_http(outbound: StandIn, sql: Sql) -> None:
    task = assigned(2)
    event = sample("calls", "serve_campaigns")
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/api/v1/campaigns/{task.task_id}/leads"
    event["body"] = json.dumps({"leads": [*leads(1), *leads(2, 10)]})
    answer = call("calls", "serve_campaigns", event)
    assert (answer["statusCode"], json.loads(answer["body"])) == (
        200,
        {"added": 2, "leads": 4, "duplicates": [{"index": 0, "leads_id": "L-0", "field": "leads_id"}]},
    )
    event["body"] = json.dumps({"leads": [*leads(1, 20), {"leads_id": "x", "phone": "110"}]})
    refused = call("calls", "serve_campaigns", event)
    assert (refused["statusCode"], json.loads(refused["body"])["errors"]) == (
        422,
        [{"pointer": "/leads/1/phone", "detail": "not a telephone number that can be called"}],
    )
