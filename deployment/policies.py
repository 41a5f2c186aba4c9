"""What a function may do: what the settings it requires name, what its queue needs, and what its declaration adds."""

from collections.abc import Iterable
from typing import Any

from deployment.bundle import Bundle
from deployment.code import Machine
from deployment.declaration import DeclarationError, Function, Part

# What a function may do with a table whose name it is given, unless its declaration says otherwise (`allow`).
USUAL = {
    "CacheTable": ["BatchWriteItem"],  # forget pages
    "LiveTable": ["BatchWriteItem"],  # say what a task has become, or forget it
    "BreakerTable": ["GetItem", "UpdateItem"],  # take slots of a model, remember what its endpoint takes
}
# What it may do beside that if it reads a variable.
BESIDE = {
    "WRITES_PER_MINUTE": ("CacheTable", ["UpdateItem"]),  # count requests
    "OUTBOUND_SECRET_ARN": ("BreakerTable", ["PutItem"]),  # open the provider's circuit
}
TAKE = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"]
LOG_DELIVERY = ["CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries"]
LOG_POLICIES = ["PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"]

_SERVICES = {"AWS::SQS::Queue": "sqs", "AWS::DynamoDB::Table": "dynamodb", "AWS::S3::Bucket": "s3"}
_OF_THE_BUCKET = {"ListBucket"}  # the other actions are on its objects


def allow(service: str, actions: Iterable[str], resources: list[Any], **more: str) -> Part:
    """Return a statement; one action or resource stands by itself."""
    names = [f"{service}:{action}" for action in actions]
    return {
        **more,
        "Effect": "Allow",
        "Action": names[0] if len(names) == 1 else names,
        "Resource": resources[0] if len(resources) == 1 else resources,
    }


def of_function(bundle: Bundle, domain: str, function: Function, variables: Iterable[str]) -> list[Part]:
    """The statements of a function that reads these variables. Raises DeclarationError for what it must declare."""
    granted = _granted(bundle, function, variables)
    merged: dict[tuple[str, ...], list[Any]] = {}
    for logical_id, actions in granted.items():
        for service, some, resource in _grants(bundle, logical_id, actions):
            given = bundle.given(bundle.owner(logical_id), domain, resource)
            merged.setdefault((service, *some), []).append(given)
    statements = [allow(service, actions, resources) for (service, *actions), resources in merged.items()]
    if "AI_MODELS" in variables and "LlmSecretArn" in granted:
        keys = {"Fn::If": ["HasAiSecrets", {"Ref": "AiSecretArns"}, {"Ref": "LlmSecretArn"}]}
        statements.append(allow("secretsmanager", ["GetSecretValue"], [keys]))
    if "WORKFLOW_ARNS" in variables:
        statements.append(allow("states", ["StartExecution"], [state_machine(name) for name in bundle.machines]))
    actions = ["DescribeExecution"] * ("WORKFLOW_ARNS" in variables) + ["StopExecution"] * function.steers
    if actions:
        statements.append(allow("states", actions, [executions(name) for name in bundle.machines]))
    return statements + function.statements


def _granted(bundle: Bundle, function: Function, variables: Iterable[str]) -> dict[str, list[str]]:
    """The actions on each secret, queue, table and bucket, by its logical id."""
    granted: dict[str, list[str]] = {}
    for variable in variables:
        if variable.endswith(("_SECRET_ARN", "_QUEUE_URL", "_TABLE", "_BUCKET")):
            logical_id = bundle.named(variable)
            usual = {"_ARN": ["GetSecretValue"], "_URL": ["SendMessage"]}.get(variable[-4:], USUAL.get(logical_id))
            if usual is None and logical_id not in function.allow:
                raise DeclarationError(f"{function.description!r}: add to its `allow` what it may do with {logical_id}")
            granted[logical_id] = list(usual or [])
    for variable, (logical_id, actions) in BESIDE.items():
        if variable in variables and logical_id in granted:
            granted[logical_id] = [*actions, *granted[logical_id]]
    if function.steers or "WORKFLOW_ARNS" in variables:
        granted |= {queue: ["SendMessage"] for queue in bundle.workflow_queues}
    granted |= function.allow
    if function.queue:
        own = f"{function.queue.name}Queue"
        granted[own] = [*granted.get(own, []), *TAKE]
    return {logical_id: actions for logical_id, actions in granted.items() if actions}


def _grants(bundle: Bundle, logical_id: str, actions: list[str]) -> list[tuple[str, list[str], Any]]:
    """The actions on a resource as service, actions and ARN."""
    service = _SERVICES.get(bundle.type_of(logical_id), "secretsmanager")
    arn: Any = {"Ref": logical_id} if service == "secretsmanager" else {"Fn::GetAtt": [logical_id, "Arn"]}
    if service != "s3":
        return [(service, actions, arn)]
    objects = {"Fn::Sub": f"${{{logical_id}.Arn}}/*"}
    whole = [action for action in actions if action in _OF_THE_BUCKET]
    parts = [(service, whole, arn), (service, [action for action in actions if action not in whole], objects)]
    return [part for part in parts if part[1]]


def of_machine(bundle: Bundle, name: str, machine: Machine) -> list[Part]:
    """The statements of a state machine. A Distributed Map starts executions of the machine it stands in."""
    within = machine.path.parent.name
    others = bundle.step_functions if machine.runs_steps else {}
    steps = [
        bundle.given(others.get(step, ""), within, {"Fn::GetAtt": [step, "Arn"]}) for step in [*machine.steps, *others]
    ]
    statements = [allow("lambda", ["InvokeFunction"], steps, Sid="Steps")]
    if machine.distributed:
        runs = ["DescribeExecution", "StopExecution"]
        statements += [
            allow("states", ["StartExecution"], [state_machine(name)], Sid="DistributedMap"),
            allow("states", runs, [executions(name, "/")], Sid="DistributedMapRuns"),
        ]
    # These actions know no resource.
    return [*statements, allow("logs", [*LOG_DELIVERY, *LOG_POLICIES], ["*"], Sid="LogDelivery")]


def state_machine(name: str) -> Part:
    """The ARN by the name, which is known before the machine is made."""
    return {"Fn::Sub": f"{_STATES}:stateMachine:${{AWS::StackName}}-{name}"}


def executions(name: str, separator: str = ":") -> Part:
    return {"Fn::Sub": f"{_STATES}:execution:${{AWS::StackName}}-{name}{separator}*"}


_STATES = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
