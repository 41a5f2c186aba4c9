"""A deployment has the workloads it names, and of the others neither a resource nor a route."""

import pytest
from samtranslator.translator.transform import transform

from deployment.bundle import Bundle
from deployment.text import load
from local.options import ROOT
from local.template.intrinsics import Resolver, TemplateError, parameter_values
from local.template.template import _NoManagedPolicies, _prepared, read

TEMPLATE = ROOT / "template.yaml"
ALL = Bundle.read(ROOT / "functions").workloads
ISSUER = {"JwtIssuer": "http://issuer"}


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def counts(workloads: str) -> tuple[int, int]:
    """The parameters that a person must give, and the resources that CloudFormation makes, of a deployment."""
    template = load(TEMPLATE.read_text(encoding="utf-8"))
    resolver = Resolver(template, parameter_values(template["Parameters"], {"Workloads": workloads}))
    rules = template["Rules"].values()
    needed = [name for name, parameter in template["Parameters"].items() if "Default" not in parameter]
    for rule in rules:
        if rule["RuleCondition"]["Fn::Contains"][1] in workloads.split(","):
            needed += [part["Assert"]["Fn::Not"][0]["Fn::Equals"][0]["Ref"] for part in rule["Assertions"]]
    layers = [part for part in template["Resources"].values() if part["Type"] == "AWS::Serverless::LayerVersion"]
    expanded = transform(_prepared(template)["sam"], {}, _NoManagedPolicies())["Resources"].values()
    made = [part for part in expanded if "Condition" not in part or resolver.holds(part["Condition"])]
    return len(needed), len(made) + len(layers)


def test_a_deployment_of_fewer_workloads_needs_fewer_parameters_and_resources(
    capsys: pytest.CaptureFixture[str],
) -> None:
    everything, hospitals = counts(",".join(ALL)), counts("hospitals")
    with capsys.disabled():
        print(f"\nparameters without a default, resources: {everything} with all workloads, {hospitals} with hospitals")
    assert hospitals[0] == everything[0] - 3  # OutboundBot's instance and its secret, DashScope's secret
    assert hospitals[1] <= everything[1] - 100


def test_what_is_left_out_leaves_nothing_behind() -> None:
    # GIVEN a deployment of hospitals alone
    blueprint = read(TEMPLATE, ISSUER | {"Workloads": "hospitals"})

    # THEN there is no function, queue, schedule or route of another workload
    handlers = {function.handler.split(".")[0] for function in blueprint.functions}
    assert handlers == {
        *("tasks", "engine", "sockets", "webhooks", "mail", "monitor", "alerts", "hospitals", "database", "docs")
    }
    queues = {mapping.queue for mapping in blueprint.mappings}
    assert {"DispatchQueue", "ProgressQueue", "ActionsQueue", "NoticesQueue"} <= queues
    assert not {"SteerQueue", "AssignQueue", "SyncQueue", "AnalyseQueue", "RecordingsQueue"} & queues
    assert not {"SteerQueue", "SteerDeadLetters", "RecordingsBucket", "DiagnoseBrand"} & blueprint.resources.keys()
    assert "SweepCampaignsEveryMinute" not in {schedule.name for schedule in blueprint.schedules}
    assert not [route for route in blueprint.api.routes if "campaign" in route.path or "role" in route.path]

    # AND the core knows the kinds and the workflows that are there
    variables = blueprint.resources["DispatchTasks"]["Properties"]["Environment"]["Variables"]
    assert variables["KIND_MODULES"] == "tasks.kinds,hospitals.kinds"
    text, values = variables["WORKFLOW_ARNS"]["Fn::Sub"]
    assert values == {name: {"Ref": name} for name in ("RunWorkload", "RefreshHospitals", "ActionsQueue")}
    assert '"SteerQueue": ""' in text


def test_a_workload_whose_name_begins_anothers_is_not_taken_for_it() -> None:
    assert Resolver(*_toy("videos,videos_long")).holds("WithVideos")
    assert not Resolver(*_toy("videos_long")).holds("WithVideos")
    assert not Resolver(*_toy("long,hospitals")).holds("WithVideos")


def _toy(workloads: str) -> tuple[dict[str, object], dict[str, object]]:
    template = load(
        TEMPLATE.read_text(encoding="utf-8").replace("calls,", "videos,").replace("WithCalls", "WithVideos")
    )
    return template, {**dict.fromkeys(template["Parameters"], ""), "Workloads": workloads.split(",")}


def test_a_workload_that_is_none_is_refused() -> None:
    with pytest.raises(TemplateError, match=f"Workloads: 'hospital' is none of {', '.join(ALL)}"):
        read(TEMPLATE, ISSUER | {"Workloads": "roles,hospital"})
