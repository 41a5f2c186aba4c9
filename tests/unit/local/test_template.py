"""The sample template and the project's own, as the local stack reads them."""

import json
from pathlib import Path

import pytest

from local.options import ROOT
from local.template.intrinsics import Resolver
from local.template.model import Authorizer, EventRule, QueueMapping, Schedule, TemplateError
from local.template.template import definition_string, read


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_functions_and_event_sources(sample: Path) -> None:
    # WHEN the template is read with one parameter chosen
    blueprint = read(sample, {"AtOnce": "3"})

    # THEN everything that invokes a function is there, and what is disabled is not
    pack = next(function for function in blueprint.functions if function.name == "Pack")
    assert (pack.handler, pack.timeout, pack.memory, pack.reserved) == ("shop.pack.handler", 2, 256, None)
    note = next(function for function in blueprint.functions if function.name == "Note")
    assert (note.timeout, note.reserved) == (10, 1)
    assert blueprint.mappings == (QueueMapping("Orders", "Pack", batch_size=20, window=1, concurrency=3, partial=True),)
    assert blueprint.schedules == (Schedule("NoteOften", "Note", "rate(1 minute)"),)
    pattern = {
        "source": ["aws.states"],
        "detail": {"status": ["FAILED", "TIMED_OUT", "ABORTED"], "stateMachineArn": [{"Ref": "Flow"}]},
    }
    assert blueprint.rules == (EventRule("NoteDied", "Note", pattern),)


def test_the_api(sample: Path) -> None:
    api = read(sample, {"JwtIssuer": "http://issuer", "JwtAudience": "shoppers"}).api

    routes = {f"{route.method} {route.path}": route for route in api.routes}
    assert routes.keys() == {
        "POST /orders",
        "GET /orders/{id}",
        "GET /orders/active",
        "GET /rare",
        "GET /open/{mode}",
    }
    order = routes["POST /orders"]
    assert (order.function, order.authorizer, order.scopes) == ("Serve", "Jwt", ("tasks:write",))
    assert (order.rate, order.burst) == (100, 50)
    rare = routes["GET /rare"]
    assert (rare.authorizer, rare.rate, rare.burst) == (None, 0.01, 2)
    assert api.authorizers == {"Jwt": Authorizer("http://issuer", ("shoppers",))}
    assert api.cors is not None
    assert (api.cors.origins, api.cors.exposed, api.cors.max_age) == (("https://shop.example",), ("etag",), 60)


def test_only_what_moto_makes_is_left_for_it(sample: Path) -> None:
    resources = read(sample, {}).resources

    assert {"Serve", "Pack", "Note", "Orders", "Dead", "Seen", "Flow"} <= resources.keys()
    assert not {"Kernel", "Network", "Alarm", "Api", "PackOrders"} & resources.keys()
    assert "KmsMasterKeyId" not in resources["Orders"]["Properties"]
    assert "VpcConfig" not in resources["Serve"]["Properties"]


def test_a_reference_to_what_is_not_made_is_told(sample: Path, tmp_path: Path) -> None:
    # GIVEN a function whose environment names a resource that does not exist here
    template = tmp_path / "template.yaml"
    text = sample.read_text(encoding="utf-8").replace("{ORDERS_URL: !Ref Orders", "{ORDERS_URL: !Ref Network")
    template.write_text(
        text.replace("functions/shop/flow.asl.yaml", str(sample.parent / "functions/shop/flow.asl.yaml"))
    )

    with pytest.raises(TemplateError, match="Serve refers to Network, which the local stack does not make"):
        read(template, {})


def test_substitution_is_textual_so_that_numbers_stay_numbers(tmp_path: Path) -> None:
    # GIVEN a YAML definition with a number, an ARN and a context path
    (tmp_path / "flow.asl.yaml").write_text(
        'StartAt: A\nStates: {A: {Limit: 1}}\nMost: ${Most}\nFn: "${Fn}"\nName.$: $$.Execution.Name\n'
    )

    # WHEN its substitutions are a literal and an attribute of a resource
    substitutions = {"Most": "5", "Fn": {"Fn::GetAtt": ["Work", "Arn"]}}
    joined = definition_string(None, "flow.asl.yaml", substitutions, tmp_path)["Fn::Join"]

    # THEN the number is one and only the ARN is left to CloudFormation
    assert [part for part in joined[1] if isinstance(part, dict)] == [{"Fn::GetAtt": ["Work", "Arn"]}]
    definition = json.loads("".join(part if isinstance(part, str) else "arn:work" for part in joined[1]))
    assert definition["Most"] == 5
    assert definition["Fn"] == "arn:work"
    assert definition["Name.$"] == "$$.Execution.Name"


def test_the_projects_own_template_reads() -> None:
    blueprint = read(ROOT / "template.yaml", {"DatabaseTls": "off", "JwtIssuer": "http://issuer"})

    functions = {function.name for function in blueprint.functions}
    assert {"ServeTasks", "DispatchTasks", "UpdateProgress", "CloseTask", "Migrate"} <= functions
    assert {mapping.queue for mapping in blueprint.mappings} >= {"DispatchQueue", "ProgressQueue", "SyncQueue"}
    assert all(route.function in functions for route in blueprint.api.routes)


def test_an_unknown_condition_is_an_error() -> None:
    with pytest.raises(KeyError):
        Resolver({}, {}).holds("Nowhere")
