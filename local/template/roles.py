"""The roles of the translated template, as `local.iam` checks them."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.iam.policies import Policies, Role, Statement
from local.template.model import TemplateError
from local.template.physical import Physical

_TRACING = "xray:PutTraceSegments xray:PutTelemetryRecords xray:GetSamplingRules xray:GetSamplingTargets"
_LOGGING = "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents"
# AWS's own policies that SAM attaches; all of their resources are "*".
MANAGED = {
    "service-role/AWSLambdaBasicExecutionRole": _LOGGING,
    "service-role/AWSLambdaVPCAccessExecutionRole": f"{_LOGGING} ec2:CreateNetworkInterface"
    " ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:DeleteNetworkInterface ec2:AssignPrivateIpAddresses"
    " ec2:UnassignPrivateIpAddresses",
    "service-role/AWSLambdaSQSQueueExecutionRole": f"{_LOGGING} sqs:ReceiveMessage sqs:DeleteMessage"
    " sqs:GetQueueAttributes",
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": f"{_LOGGING} logs:DescribeLogGroups logs:DescribeLogStreams"
    " logs:GetLogEvents logs:FilterLogEvents",
    "AWSXrayWriteOnlyAccess": f"{_TRACING} xray:GetSamplingStatisticSummaries",
    "AWSXRayDaemonWriteAccess": f"{_TRACING} xray:GetSamplingStatisticSummaries",
}
_MANAGED_ARN = "arn:aws:iam::aws:policy/"
_OWNERS = {"AWS::Lambda::Function": "Role", "AWS::StepFunctions::StateMachine": "RoleArn"}
_UNDERSTOOD = {"Sid", "Effect", "Action", "Resource"}


def policies(translated: Mapping[str, Any], parameters: Mapping[str, Any]) -> Policies:
    """Return every role of the template. Raises TemplateError for what is not understood in a policy.

    `parameters` name the resources that the template does not make.
    """
    physical = Physical(translated)
    owners = dict(_owners(translated))
    roles = {name: _role(name, owners.get(name, name), translated, physical) for name in _of(translated, "Role")}
    given = {value: f"!Ref {name}" for name, values in parameters.items() for value in map(str, _list(values))}
    machines = (name for name, one in translated.items() if one["Type"] == "AWS::StepFunctions::StateMachine")
    return Policies(
        roles=roles,
        names={**{value: name for value, name in given.items() if value.startswith("arn:")}, **physical.names()},
        machines=tuple(physical.arn(name) for name in machines),
        connections=_connections(translated, physical),
    )


def owner_role(logical: str, properties: Mapping[str, Any], key: str = "Role") -> str:
    """Return the logical id of the role that a function or state machine has."""
    match properties.get(key):
        case {"Fn::GetAtt": [str(role), "Arn"]}:
            return role
        case {"Fn::GetAtt": str(attribute)}:
            return attribute.removesuffix(".Arn")
        case other:
            raise TemplateError(f"{logical} has a role that is not in the template: {other!r}")


def _of(translated: Mapping[str, Any], kind: str) -> Iterator[str]:
    return (name for name, resource in translated.items() if resource["Type"] == f"AWS::IAM::{kind}")


def _owners(translated: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (role, who has it)."""
    for name, resource in translated.items():
        if key := _OWNERS.get(resource["Type"]):
            yield owner_role(name, resource["Properties"], key), name


def _role(name: str, owner: str, translated: Mapping[str, Any], physical: Physical) -> Role:
    properties = translated[name].get("Properties", {})
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    managed: list[Statement] = []
    for arn in properties.get("ManagedPolicyArns", ()):
        if isinstance(arn, dict) and "Ref" in arn:
            documents.append(translated[arn["Ref"]]["Properties"]["PolicyDocument"])
        else:
            managed.append(_managed(name, arn))
    for other in (*_of(translated, "Policy"), *_of(translated, "RolePolicy"), *_of(translated, "ManagedPolicy")):
        attached = translated[other]["Properties"]
        if {"Ref": name} in (*attached.get("Roles", ()), attached.get("RoleName")):
            documents.append(attached["PolicyDocument"])
    statements = (
        _statement(owner, statement, physical) for document in documents for statement in _list(document["Statement"])
    )
    return Role(name, owner, tuple(statements), tuple(managed))


def _managed(role: str, arn: Any) -> Statement:
    name = str(arn).replace("arn:${AWS::Partition}:", "arn:aws:").removeprefix(_MANAGED_ARN)
    if name not in MANAGED:
        raise TemplateError(
            f"{role} has the managed policy {arn}: add its actions to MANAGED in local/template/roles.py"
        )
    return Statement(tuple(MANAGED[name].split()), ("*",))


def _statement(owner: str, statement: Mapping[str, Any], physical: Physical) -> Statement:
    if unknown := statement.keys() - _UNDERSTOOD:
        raise TemplateError(
            f"{owner} has a statement with {', '.join(sorted(unknown))}, which the local stack does not check: "
            "write it with Action and Resource, or teach local/template/roles.py"
        )
    resources = physical.resolve(_list(statement["Resource"]))
    return Statement(
        tuple(_list(statement["Action"])),
        tuple(str(one) for resource in resources for one in _list(resource)),
        deny=statement["Effect"] == "Deny",
    )


def _connections(translated: Mapping[str, Any], physical: Physical) -> str:
    """Return api/stage of the WebSocket API, whose connections a function posts to."""
    for name, resource in translated.items():
        if resource["Type"] == "AWS::ApiGatewayV2::Api" and resource["Properties"].get("ProtocolType") == "WEBSOCKET":
            for stage in translated.values():
                if stage["Type"] == "AWS::ApiGatewayV2::Stage" and stage["Properties"]["ApiId"] == {"Ref": name}:
                    return f"{name}/{physical.resolve(stage['Properties']['StageName'])}"
    return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
