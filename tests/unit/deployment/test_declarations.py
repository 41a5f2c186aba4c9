"""A domain in a folder of its own: what its declaration and its code become, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from deployment import resources
from deployment.bundle import Bundle
from deployment.declaration import DeclarationError
from deployment.template import render
from deployment.text import dump, load

DECLARATION = """
title: Toys
parameters: {ToyColour: {Type: String, Default: red}}
resources: {ToysTable: {Type: AWS::DynamoDB::Table}}
functions:
  wind_toy:
    description: Wind a toy
    timeout: 40
    allow: {ToysTable: [GetItem]}
    queue: {name: Winding, batch_size: 7, alarm: Toys stand still}
"""
CODE = """from longhaul import settings

settings.require(settings.Database, settings.Cache, settings.Cursors)


def handler(event, context):
    return None
"""
MACHINE = """
StartAt: Wind
States:
  Wind: {Type: Task, Resource: "${WindToyArn}", End: true}
"""


def toys(folder: Path, declaration: str = DECLARATION, code: str = CODE) -> Bundle:
    domain = folder / "functions" / "toys"
    domain.mkdir(parents=True, exist_ok=True)
    (domain / "deployment.yaml").write_text(declaration, encoding="utf-8")
    (domain / "wind_toy.py").write_text(code, encoding="utf-8")
    (domain / "play_toy.asl.yaml").write_text(MACHINE, encoding="utf-8")
    return Bundle.read(folder / "functions")


def template(bundle: Bundle) -> dict[str, Any]:
    return load(render(bundle))


def test_variables_and_permissions_follow_from_the_settings_that_a_function_requires(tmp_path: Path) -> None:
    function = template(toys(tmp_path))["Resources"]["WindToy"]["Properties"]
    assert function["Environment"]["Variables"] == {
        "DATABASE_SECRET_ARN": {"Ref": "DatabaseSecretArn"},
        "DATABASE_TLS": {"Ref": "DatabaseTls"},
        "CACHE_TABLE": {"Ref": "CacheTable"},
        "CURSOR_SECRET_ARN": {"Ref": "CursorSecretArn"},
    }
    secrets = {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": [{"Ref": "DatabaseSecretArn"}, {"Ref": "CursorSecretArn"}],
    }
    (policy,) = function["Policies"]
    assert policy["Statement"][0] == secrets
    assert {
        "Effect": "Allow",
        "Action": "dynamodb:BatchWriteItem",
        "Resource": {"Fn::GetAtt": ["CacheTable", "Arn"]},
    } in policy["Statement"]
    assert {
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": {"Fn::GetAtt": ["ToysTable", "Arn"]},
    } in policy["Statement"]


def test_who_counts_requests_may_write_what_it_counts(tmp_path: Path) -> None:
    # GIVEN a function that requires the quotas too
    code = CODE.replace("settings.Cursors", "settings.Cursors, settings.Limits")

    # THEN it may do more with the table than forget pages
    (policy,) = template(toys(tmp_path, code=code))["Resources"]["WindToy"]["Properties"]["Policies"]
    assert {
        "Effect": "Allow",
        "Action": ["dynamodb:UpdateItem", "dynamodb:BatchWriteItem"],
        "Resource": {"Fn::GetAtt": ["CacheTable", "Arn"]},
    } in policy["Statement"]


def test_a_queue_comes_with_its_dead_letters_its_alarm_and_its_source(tmp_path: Path) -> None:
    made = template(toys(tmp_path))["Resources"]
    assert made["WindingQueue"]["Properties"]["VisibilityTimeout"] == 6 * 40
    assert made["WindingDeadLettersAlarm"]["Properties"]["AlarmDescription"] == "Toys stand still"
    assert made["WindToySource"]["Properties"]["BatchSize"] == 7
    (policy,) = made["WindToy"]["Properties"]["Policies"]
    taken = [s for s in policy["Statement"] if s["Resource"] == {"Fn::GetAtt": ["WindingQueue", "Arn"]}]
    assert [s["Action"] for s in taken] == [["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]]


def test_a_state_machine_may_invoke_the_functions_it_names_and_writes_to_its_own_log(tmp_path: Path) -> None:
    made = template(toys(tmp_path))["Resources"]
    machine = made["PlayToy"]["Properties"]
    assert machine["DefinitionUri"] == "functions/toys/play_toy.asl.yaml"
    assert machine["DefinitionSubstitutions"] == {"WindToyArn": {"Fn::GetAtt": ["WindToy", "Arn"]}}
    assert machine["Policies"][0]["Statement"][0]["Resource"] == {"Fn::GetAtt": ["WindToy", "Arn"]}
    assert "PlayToyLogs" in made


def test_parameters_of_a_domain_are_a_group_of_their_own(tmp_path: Path) -> None:
    made = template(toys(tmp_path))
    assert made["Parameters"]["ToyColour"] == {"Type": "String", "Default": "red"}
    groups = made["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert groups[-1] == {"Label": {"default": "Toys"}, "Parameters": ["ToyColour"]}


@pytest.mark.parametrize(
    ("declaration", "code", "refused"),
    [
        (DECLARATION.replace("wind_toy", "wind_toys"), CODE, "add wind_toy to functions of"),
        (DECLARATION, "KINDS = ()", "declares wind_toy, but"),
        (DECLARATION.replace("timeout: 40", "timeout: 4000"), CODE, "functions.wind_toy.timeout: Input should be less"),
        (
            DECLARATION.replace("timeout: 40", "reserved: 4"),
            CODE,
            "functions.wind_toy: Value error, reserved must be more than the queue's concurrency, 4",
        ),
        (DECLARATION.replace("timeout: 40", "memory: 1"), CODE, "functions.wind_toy.memory: Extra inputs are not"),
        (
            DECLARATION,
            CODE.replace("settings.Cursors", "settings.Outbound"),
            "the variable OUTBOUND_ENDPOINT names nothing: declare a parameter or a resource OutboundEndpoint",
        ),
    ],
)
def test_a_declaration_that_does_not_fit_the_code_is_refused(
    declaration: str, code: str, refused: str, tmp_path: Path
) -> None:
    with pytest.raises(DeclarationError, match=refused):
        render(toys(tmp_path, declaration, code))


def test_what_a_workload_has_is_there_only_where_it_is_deployed(tmp_path: Path) -> None:
    # GIVEN a workload whose function stops what runs, and has a parameter without a default
    declaration = DECLARATION.replace("title: Toys", "title: Toys\nworkload: true").replace(", Default: red", "")
    (tmp_path / "functions" / "toys").mkdir(parents=True)
    (tmp_path / "functions" / "toys" / "kinds.py").write_text("KINDS = ()\n", encoding="utf-8")

    # THEN each of its resources stands under its condition, and only what is deployed needs the parameter
    made = template(toys(tmp_path, declaration))
    resources = load(dump(made["Resources"]))
    own = {name for name, part in resources.items() if part.get("Condition") == "WithToys"}
    assert own >= {"ToysTable", "WindToy", "WindToyLogs", "WindToySource", "WindingQueue", "PlayToy", "PlayToyLogs"}
    assert not {"CacheTable", "Api"} & own
    assert made["Parameters"]["Workloads"]["AllowedValues"] == ["toys"]
    assert made["Parameters"]["ToyColour"]["Default"] == ""
    (assertion,) = made["Rules"]["Toys"]["Assertions"]
    assert assertion["AssertDescription"] == "toys needs ToyColour, or leave toys out of Workloads"


def test_a_workload_has_kinds(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="toys is a workload: declare its KINDS in "):
        toys(tmp_path, DECLARATION.replace("title: Toys", "title: Toys\nworkload: true"))


def test_a_table_that_is_new_needs_a_word_on_what_may_be_done_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources.code, "required", lambda tree: ["TOYS_TABLE"])
    with pytest.raises(DeclarationError, match="'Wind a toy': add to its `allow` what it may do with ToysTable"):
        render(toys(tmp_path, DECLARATION.replace("allow: {ToysTable: [GetItem]}", "allow: {}")))


def test_text_is_read_as_what_was_written() -> None:
    document = {
        "a": {"Ref": "B"},
        "c": {"Fn::GetAtt": ["D", "Arn"]},
        "e": {"Fn::If": ["F", [{"Fn::Sub": "${G}-h: *"}], {"Ref": "AWS::NoValue"}]},
        "i": {"Condition": {"StringEquals": {"j": "k"}}},
        "l": {"Fn::And": [{"Condition": "M"}, {"Condition": "N"}]},
        "o": ["x" * 100, "y" * 100, "2012-10-17", "*", 1, True, {}],
    }
    assert load(dump(document)) == document
