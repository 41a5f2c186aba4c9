"""Rights that AWS's services need to run the template, and that nothing here asks for: checked as it is read.

A function's log group and network, an event source, tracing and logging of state machines and their Distributed Maps
are used in the name of a role. Events, schedules and the APIs invoke functions by a permission of the function.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.iam.policies import Need, Policies, Statement
from local.iam.refusals import addition
from local.template.model import ACCOUNT, REGION, Api, Right, SocketApi, TemplateError
from local.template.physical import Physical
from local.template.roles import owner_role

_LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")
_NETWORK = ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface")
_TRACING = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
_POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
_TRACED = {"Active", True}
_GATEWAY = "apigateway.amazonaws.com"


def checked(
    translated: Mapping[str, Any], policies: Policies, api: Api, sockets: SocketApi | None = None
) -> tuple[Right, ...]:
    """Return what the services do in the name of the template's roles.

    Raises TemplateError for the first right that is missing, with what to add.
    """
    rights = tuple(_of_roles(translated))
    for right in rights:
        if right.role not in policies.roles:
            raise TemplateError(f"{right.purpose} has the role {right.role}, which is not in the template")
        if not policies.decide(right.role, right.need).allowed:
            owner = policies.roles[right.role].owner
            raise TemplateError(
                f"{owner} may not {right.need.action}, which {right.purpose} needs. "
                f"{addition(policies, right.role, right.need)}"
            )
    for function, principal, source, purpose in _invocations(translated, api, sockets):
        if not any(_permits(one, function, principal, source, translated) for one in translated.values()):
            raise TemplateError(
                f"{purpose} may not invoke {function}. Add to Resources: {{Type: AWS::Lambda::Permission, Properties: "
                f"{{Action: lambda:InvokeFunction, FunctionName: !Ref {function}, Principal: {principal}, "
                f'SourceArn: "{source}"}}}}'
            )
    return rights


def _of_roles(translated: Mapping[str, Any]) -> Iterator[Right]:
    physical = Physical(translated)
    for name, resource in translated.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Lambda::Function":
                yield from _of_function(name, properties, physical)
            case "AWS::Lambda::EventSourceMapping":
                function = _referred(properties["FunctionName"])
                role = owner_role(function, translated[function]["Properties"])
                yield from _rights(role, _POLLING, physical.resolve(properties["EventSourceArn"]), name)
            case "AWS::StepFunctions::StateMachine":
                yield from _of_machine(name, properties, physical)
            case "AWS::Scheduler::Schedule":
                target = properties["Target"]
                role = owner_role(name, target, "RoleArn")
                yield from _rights(role, ("lambda:InvokeFunction",), physical.resolve(target["Arn"]), name)


def _of_function(name: str, properties: Mapping[str, Any], physical: Physical) -> Iterator[Right]:
    role = owner_role(name, properties)
    group = physical.resolve(properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}"))
    yield from _rights(role, _LOGGING, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*", f"the log of {name}")
    if "VpcConfig" in properties:
        yield from _rights(role, _NETWORK, "*", f"the VPC of {name}")
    if properties.get("TracingConfig", {}).get("Mode") in _TRACED:
        yield from _rights(role, _TRACING, "*", f"the tracing of {name}")


def _of_machine(name: str, properties: Mapping[str, Any], physical: Physical) -> Iterator[Right]:
    role, arn = owner_role(name, properties, "RoleArn"), physical.arn(name)
    if properties.get("LoggingConfiguration", {}).get("Destinations"):
        yield from _rights(role, _DELIVERY, "*", f"the log of {name}")
    if properties.get("TracingConfiguration", {}).get("Enabled"):
        yield from _rights(role, _TRACING, "*", f"the tracing of {name}")
    if '"DISTRIBUTED"' in json.dumps(properties.get("DefinitionString", "")).replace('\\"', '"'):
        runs = arn.replace(":stateMachine:", ":execution:")
        purpose = f"the Distributed Map of {name}"
        yield from _rights(role, ("states:StartExecution",), arn, purpose)
        yield from _rights(role, ("states:DescribeExecution", "states:StopExecution"), f"{runs}/map:run", purpose)


def _rights(role: str, actions: tuple[str, ...], resource: str, purpose: str) -> Iterator[Right]:
    for action in actions:
        yield Right(role, Need(action, (resource,)), purpose)


def _invocations(
    translated: Mapping[str, Any], api: Api, sockets: SocketApi | None
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (function, principal, source ARN, who) of each invocation that needs a permission."""
    physical = Physical(translated)
    for name, resource in translated.items():
        if resource["Type"] == "AWS::Events::Rule":
            for target in resource["Properties"]["Targets"]:
                yield _referred(target["Arn"]), "events.amazonaws.com", physical.arn(name), name
    gateways = (name for name, one in translated.items() if one["Type"] == "AWS::ApiGatewayV2::Api")
    gateway = next((name for name in gateways if "Body" in translated[name]["Properties"]), "")
    for route in api.routes:
        path = route.path if route.path.startswith("$") else f"{route.method}{route.path}"
        source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{gateway}/$default/{path}"
        yield route.function, _GATEWAY, source, f"{route.method} {route.path}"
    if sockets is not None:
        api_arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{sockets.name}"
        for key, served in sockets.routes.items():
            yield served.function, _GATEWAY, f"{api_arn}/{sockets.stage}/{key}", f"{key} of {sockets.name}"
        if sockets.authorizer is not None:
            yield sockets.authorizer, _GATEWAY, f"{api_arn}/authorizers/one", f"the authorizer of {sockets.name}"


def _permits(
    resource: Mapping[str, Any], function: str, principal: str, source: str, translated: Mapping[str, Any]
) -> bool:
    if resource["Type"] != "AWS::Lambda::Permission":
        return False
    properties = resource["Properties"]
    if properties["Principal"] != principal or _referred(properties["FunctionName"]) != function:
        return False
    allowed = Physical(translated).resolve(properties.get("SourceArn", "*"))
    return any(True for _ in Statement(("*",), (str(allowed),)).matching("*", source))


def _referred(node: Any) -> str:
    """Return the logical id in a Ref or GetAtt."""
    match node:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::GetAtt": str(attribute)}:
            return attribute.partition(".")[0]
        case other:
            raise TemplateError(f"expected a reference to a resource of the template, not {other!r}")
