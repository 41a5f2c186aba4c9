"""Roles as they are read from a template: each grant of the project's own is taken away once."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data
from samtranslator.yaml_helper import yaml_parse

from local.iam.grants import blueprint_of
from local.iam.policies import Grant, Need, Policies, Role, Statement
from local.iam.refusals import denied, statement
from local.options import ROOT
from local.template.model import ACCOUNT, REGION, TemplateError
from local.template.physical import Physical
from local.template.roles import MANAGED
from local.template.template import read


@pytest.fixture(scope="module")
def ours() -> Policies:
    """The policies of the project's own template."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        return blueprint_of(ROOT / "template.yaml").policies


def of_this_stack(grants: Iterator[Grant]) -> Iterator[tuple[Grant, Need]]:
    """Each grant with a need that it meets; without those on everything, whose statement names no resource."""
    for grant in grants:
        if grant.resource != "*":
            yield grant, Need(grant.action, (grant.resource.replace("??????", "AbCdEf").replace("*", "7"),))


def without(role: Role, grant: Grant) -> Role:
    """The role without this grant."""
    statements = (
        Statement((action,), (resource,), one.deny)
        for one in role.statements
        for action in one.actions
        for resource in one.resources
        if (action, resource) != (grant.action, grant.resource)
    )
    return dataclasses.replace(role, statements=tuple(statements))


def test_each_grant_of_the_template_is_needed_for_what_it_allows(ours: Policies) -> None:
    # GIVEN each action on each resource that a role of the template has
    checked = 0
    for grant, need in of_this_stack(ours.grants()):
        # WHEN it is taken away
        role = ours.roles[grant.role]
        poorer = dataclasses.replace(ours, roles={grant.role: without(role, grant)})

        # THEN what passed is refused, and the message names who, what, on what, and what to add
        assert ours.decide(grant.role, need).allowed, grant
        assert not poorer.decide(grant.role, need).allowed, f"{grant} is granted twice"
        message = denied(poorer, grant.role, need)
        assert f"/{role.owner} is not authorized to perform: {need.action} on resource: {need.resources[0]} " in message
        assert f"Add to `statements` of {role.owner} in its deployment.yaml" in message
        assert message.endswith(f": {statement(poorer, need)}")
        checked += 1
    assert checked > 200


def test_the_statement_of_a_refusal_allows_it(ours: Policies) -> None:
    # GIVEN the template's own resources, as CloudFormation's functions name them
    resources = {arn: named for arn, named in ours.names.items() if named.startswith(("!GetAtt", "!Ref"))}
    made = {named.split()[-1].removesuffix(".Arn"): arn for arn, named in resources.items()}

    for grant, need in of_this_stack(ours.grants()):
        # WHEN the statement that a refusal names is read from YAML, and its functions are resolved
        [line] = yaml_parse(statement(ours, need))
        added = Statement((line["Action"],), (resolved(line["Resource"], made),))

        # THEN it allows what was refused
        assert list(added.matching(*(need.action, need.resources[0]))), (grant, line)


def resolved(node: Any, made: dict[str, str]) -> str:
    """What CloudFormation makes of a reference to a resource or a parameter of this template."""
    match node:
        case str():
            return node
        case {"Ref": str(name)}:
            return made[name].replace("??????", "AbCdEf")
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return made[name]
        case {"Fn::Sub": str(text)}:
            for name, arn in made.items():
                text = text.replace(f"${{{name}.Arn}}", arn).replace(f"${{{name}.Name}}", arn.rpartition(":")[2])
            return str(Physical({}).resolve({"Fn::Sub": text}))
    raise AssertionError(node)


def test_every_function_has_a_role_of_its_own(ours: Policies) -> None:
    assert {role.owner for role in ours.roles.values()} >= {
        "ServeTasks",
        "DispatchTasks",
        "Migrate",
        "RefreshHospitals",
    }
    assert len({role.owner for role in ours.roles.values()}) == len(ours.roles)


@pytest.mark.parametrize("name", MANAGED)
def test_awss_own_policies_are_as_aws_has_them(name: str) -> None:
    document = json.loads(aws_managed_policies_data)[name.split("/")[-1]]["Document"]

    [given] = document["Statement"]
    assert sorted(given["Action"]) == sorted(MANAGED[name].split())
    assert given["Resource"] in ("*", ["*"])


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Seen:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Tapes: {Type: AWS::S3::Bucket}
  Orders: {Type: AWS::SQS::Queue}
  Key: {Type: AWS::KMS::Key, Properties: {KeyPolicy: {}}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      CodeUri: functions/
      Handler: shop.note.handler
      POLICIES
  MORE
"""


def template(folder: Path, policies: str = "Timeout: 3", more: str = "Nothing: {Type: AWS::EC2::VPC}") -> Path:
    path = folder / "template.yaml"
    path.write_text(TEMPLATE.replace("POLICIES", policies).replace("MORE", more))
    return path


def work(folder: Path, policies: str, more: str = "Nothing: {Type: AWS::EC2::VPC}") -> Role:
    return read(template(folder, policies, more), {}).policies.roles["WorkRole"]


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/longhaul-Seen"


@pytest.mark.parametrize(
    ("policies", "action", "resource"),
    [
        ("Policies: [{DynamoDBReadPolicy: {TableName: !Ref Seen}}]", "dynamodb:Query", f"{TABLE}/index/by_tenant"),
        (
            "Policies: [{SQSSendMessagePolicy: {QueueName: !GetAtt Orders.QueueName}}]",
            "sqs:SendMessage",
            f"arn:aws:sqs:{REGION}:{ACCOUNT}:longhaul-Orders",
        ),
        (
            'Policies: [Statement: [{Effect: Allow, Action: s3:GetObject, Resource: !Sub "${Tapes.Arn}/*"}]]',
            "s3:GetObject",
            "arn:aws:s3:::longhaul-tapes/a.mp3",
        ),
        (
            'Policies: [Statement: {Effect: Allow, Action: "dynamodb:*", Resource: [!GetAtt Seen.Arn]}]',
            "dynamodb:PutItem",
            TABLE,
        ),
        (
            "Policies: [Statement: [{Effect: Allow, Action: kms:Decrypt, Resource: !GetAtt Key.Arn}]]",
            "kms:Decrypt",
            f"arn:aws:kms:{REGION}:{ACCOUNT}:key/Key",
        ),
        (
            'Policies: [Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: !Join [":", '
            '[!Ref "AWS::Partition", !GetAtt Seen.Arn]]}]]',
            "lambda:InvokeFunction",
            f"aws:{TABLE}",
        ),
    ],
)
def test_policies_are_resolved_to_what_is_made(tmp_path: Path, policies: str, action: str, resource: str) -> None:
    role = work(tmp_path, policies)

    assert role.owner == "Work"
    assert role.decide(action, resource).allowed
    assert not role.decide(action, resource.replace("longhaul-", "other-").replace("Key", "Other")).allowed
    assert not role.decide("iam:PassRole", resource).allowed


@pytest.mark.parametrize(
    "more",
    [
        "Shared: {Type: AWS::IAM::Policy, Properties: {Roles: [!Ref WorkRole], PolicyDocument: DOCUMENT}}",
        "Shared: {Type: AWS::IAM::ManagedPolicy, Properties: {Roles: [!Ref WorkRole], PolicyDocument: DOCUMENT}}",
        "Shared: {Type: AWS::IAM::RolePolicy, Properties: {PolicyName: p, RoleName: !Ref WorkRole, "
        "PolicyDocument: DOCUMENT}}",
    ],
)
def test_a_policy_of_its_own_counts_for_the_roles_it_names(tmp_path: Path, more: str) -> None:
    document = "{Statement: [{Effect: Allow, Action: dynamodb:PutItem, Resource: !GetAtt Seen.Arn}]}"

    assert work(tmp_path, "Timeout: 3", more.replace("DOCUMENT", document)).decide("dynamodb:PutItem", TABLE).allowed


def test_a_managed_policy_of_the_template_may_be_attached_by_the_function(tmp_path: Path) -> None:
    more = (
        "Shared: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {Statement: "
        "[{Effect: Allow, Action: dynamodb:PutItem, Resource: !GetAtt Seen.Arn}]}}}"
    )

    assert work(tmp_path, "Policies: [!Ref Shared]", more).decide("dynamodb:PutItem", TABLE).allowed


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        (
            "Policies: [Statement: [{Effect: Allow, Action: s3:*, Resource: '*', Condition: {Bool: {a: b}}}]]",
            "Work has a statement with Condition, which the local stack does not check",
        ),
        (
            "Policies: [Statement: [{Effect: Allow, NotAction: s3:*, Resource: '*'}]]",
            "Work has a statement with NotAction, which",
        ),
        ("Policies: [arn:aws:iam::aws:policy/AdministratorAccess]", "WorkRole has the managed policy .*Administrator"),
        ("Role: arn:aws:iam::123456789012:role/other", "Work has a role that is not in the template"),
    ],
)
def test_what_the_local_stack_does_not_check_stops_it(tmp_path: Path, policies: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        work(tmp_path, policies)


def test_a_websocket_apis_connections_have_its_stage(tmp_path: Path) -> None:
    more = (
        "Live: {Type: AWS::ApiGatewayV2::Api, Properties: "
        "{ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}\n"
        "  LiveStage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Live, StageName: v1}}"
    )

    assert read(template(tmp_path, more=more), {}).policies.connections == "Live/v1"


MACHINE = (
    "Flow: {Type: AWS::Serverless::StateMachine, Properties: {Definition: DEFINITION, Policies: [Statement: "
    "[{Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Work.Arn}]]}}"
)
DISTRIBUTED = (
    "{StartAt: M, States: {M: {Type: Map, End: true, ItemProcessor: {ProcessorConfig: {Mode: DISTRIBUTED, "
    "ExecutionType: STANDARD}, StartAt: P, States: {P: {Type: Pass, End: true}}}}}}"
)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "Source: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref Work, "
            "EventSourceArn: !GetAtt Orders.Arn}}",
            r"Work may not sqs:ReceiveMessage, which Source needs. Add to `statements` of Work in its .*: "
            r"- \{Effect: Allow, Action: sqs:ReceiveMessage, Resource: !GetAtt Orders.Arn\}",
        ),
        (
            "Rule: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 minute), "
            "Targets: [{Arn: !GetAtt Work.Arn, Id: w}]}}",
            "Rule may not invoke Work. Add to Resources: {Type: AWS::Lambda::Permission, .*Principal: events.amazonaws",
        ),
        (MACHINE.replace("DEFINITION", DISTRIBUTED), "Flow may not states:StartExecution, which the Distributed Map"),
        (
            "Often: {Type: AWS::Scheduler::Schedule, Properties: {ScheduleExpression: rate(1 minute), "
            "Target: {Arn: !GetAtt Work.Arn, RoleArn: !GetAtt WorkRole.Arn}}}",
            "Work may not lambda:InvokeFunction, which Often needs",
        ),
    ],
)
def test_what_a_service_may_not_stops_the_stack_as_it_stops_a_deployment(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        read(template(tmp_path, more=more), {})


def test_a_route_needs_the_functions_permission(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN the sample as it is translated, without the permission of one route
    from local.template import template as module

    translate = module.transform

    def without_permission(*given: Any) -> Any:
        translated = translate(*given)
        del translated["Resources"]["ServeReadPermission"]
        return translated

    monkeypatch.setattr(module, "transform", without_permission)

    with pytest.raises(TemplateError, match=r"GET /orders/{id} may not invoke Serve"):
        read(sample, {})
