"""A stack with one workload alone: it runs, and what is left out is unknown to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.running import RunningStack, eventually, local_stack
from local.template.deployment import client
from local.template.model import STACK_NAME

LEFT_OUT = [
    ("POST", "/api/query-task-execution"),
    ("POST", "/api/v1/campaigns/call_campaign_x/leads"),
    ("GET", "/api/v1/roles"),
    ("POST", "/api/v1/diagnoses/estimate"),
]


@pytest.fixture(scope="module")
def hospitals(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    parameters = {"Workloads": "hospitals", "PublicDocs": "true"}
    with local_stack(tmp_path_factory.mktemp("hospitals"), template=template, parameters=parameters) as running:
        yield running


def test_cloudformation_made_what_hospitals_need(hospitals: RunningStack) -> None:
    formation = client("cloudformation", hospitals.options.aws_url)
    made = {
        part["LogicalResourceId"] for part in formation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    }
    assert {"RefreshDistrict", "RefreshHospitals", "DispatchQueue"} <= made
    assert not {"SyncJobs", "SteerQueue", "DiagnoseBrand", "CreateRole", "RecordingsBucket"} & made


def test_its_tasks_run(hospitals: RunningStack) -> None:
    body = {"kind": "hospital_province_refresh", "params": {"province": "澳门"}}
    task = hospitals.request("POST", "/api/v1/tasks", json=body).headers["location"]
    eventually(lambda: hospitals.request("GET", task).json()["status"] == "SUCCEEDED")


def test_a_kind_of_a_workload_that_is_left_out_is_unknown(hospitals: RunningStack) -> None:
    refused = hospitals.request("POST", "/api/v1/tasks", json={"kind": "call_campaign", "params": {}})
    assert (refused.status, refused.json()["code"]) == (422, "unknown_kind")
    assert "there are: bulk_action, hospital_full_refresh, hospital_province_refresh" in refused.body.decode()
    assert {queue["kind"] for queue in hospitals.request("GET", "/api/v1/queue").json()["items"]} == {
        "bulk_action",
        "hospital_full_refresh",
        "hospital_province_refresh",
    }


@pytest.mark.parametrize(("method", "path"), LEFT_OUT)
def test_its_routes_are_not_there(hospitals: RunningStack, method: str, path: str) -> None:
    answer = hospitals.request(method, path, json={} if method == "POST" else None)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


def test_the_document_shows_what_is_deployed(hospitals: RunningStack) -> None:
    document = hospitals.request("GET", "/openapi.json").json()
    assert not [path for path in document["paths"] if "campaign" in path or "role" in path or "diagnos" in path]
    assert "/api/v1/hospitals" in document["paths"]
    kinds = [option["title"] for option in document["components"]["schemas"]["SubmitRequest"]["oneOf"]]
    assert "hospital_full_refresh" in kinds
    assert "call_campaign" not in kinds
