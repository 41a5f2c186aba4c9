"""What a function, its queue and a state machine become in the template."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployment import code, policies
from deployment.bundle import NO_VALUE, Bundle
from deployment.code import Machine, Route, camel
from deployment.declaration import Function, Part, Queue

RECEIVES = 3  # then a message is a dead letter
# A parameter that names an address of one's own stands before that of the API.
_ADDRESSES = {
    "PUBLIC_URL": {
        "Fn::If": [
            "HasPublicUrl",
            {"Ref": "PublicUrl"},
            {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"},
        ]
    },
    "SOCKETS_ENDPOINT": {
        "Fn::If": [
            "HasSocketsEndpoint",
            {"Ref": "SocketsEndpoint"},
            {"Fn::Sub": "https://${LiveApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live"},
        ]
    },
}
TWO_WEEKS = 1_209_600  # the longest that a queue keeps a message


def of_function(bundle: Bundle, domain: str, module: str, function: Function) -> dict[str, Part]:
    """A function's resources by logical id: itself, its log group, and its queue with all that belongs to it."""
    name, path = camel(module), bundle.module(domain, module)
    variables = code.required(ast.parse(path.read_text(encoding="utf-8")))
    values = {variable: _value(bundle, domain, variable) for variable in variables}
    statements = policies.of_function(bundle, domain, function, variables)
    properties = {
        "Description": function.description,
        "Handler": f"{domain}.{module}.handler",
        "Timeout": function.timeout,
        "ReservedConcurrentExecutions": function.reserved
        and {"Fn::If": ["ReservesConcurrency", function.reserved, NO_VALUE]},
        "Layers": [{"Ref": layer} for layer in function.layers],  # SAM adds them to those of Globals
        **function.properties,
        "LoggingConfig": {"LogGroup": {"Ref": f"{name}Logs"}},
        "Environment": {"Variables": values} if values else {},
        "Policies": [{"Statement": statements}] if statements else [],
        "Events": _events(bundle, path, function),
    }
    made = {
        name: {"Type": "AWS::Serverless::Function", "Properties": {k: v for k, v in properties.items() if v}},
        f"{name}Logs": log_group(f"/aws/lambda/${{AWS::StackName}}/{module}"),
    }
    if function.queue:
        timeout = function.timeout or bundle.base["Globals"]["Function"]["Timeout"]
        made |= _queue(name, function.queue, timeout)
    return made


def log_group(name: str) -> Part:
    properties = {"LogGroupName": {"Fn::Sub": name}, "RetentionInDays": {"Ref": "LogRetentionDays"}}
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties}


def _value(bundle: Bundle, within: str, variable: str) -> Any:
    """A variable's value: a parameter's, a resource's, or what all domains add to."""
    if variable == "KIND_MODULES":
        core = [module for domain, module in bundle.kind_modules.items() if domain not in bundle.workloads]
        chosen = {"Fn::Join": [".kinds,", {"Ref": "Workloads"}]}
        return {"Fn::Sub": [",".join([*core, "${Chosen}.kinds"]), {"Chosen": chosen}]}
    if variable == "WORKFLOW_ARNS":
        machines = {name: machine.path.parent.name for name, machine in bundle.machines.items()}
        queues = {name: bundle.queues[name] for name in bundle.workflow_queues}
        return _json(bundle, within, machines | queues, lambda name: {"Ref": name})
    if variable == "STEP_FUNCTIONS":
        return _json(bundle, within, bundle.step_functions, lambda name: {"Fn::GetAtt": [name, "Arn"]})
    if variable == "DEAD_LETTERS":
        return _dead_letters(bundle, within)
    if variable == "WORKLOADS":
        return {"Fn::Join": [",", {"Ref": "Workloads"}]}
    name = bundle.named(variable)
    return bundle.given(bundle.owner(name), within, _ADDRESSES.get(variable, {"Ref": name}), "")


def _json(bundle: Bundle, within: str, owners: dict[str, str], value: Callable[[str], Part]) -> Part:
    """A JSON object of what each resource is known by; empty for one whose domain is left out."""
    text = ", ".join(f'"{name}": "${{{name}}}"' for name in owners)
    values = {name: bundle.given(domain, within, value(name), "") for name, domain in owners.items()}
    return {"Fn::Sub": ["{" + text + "}", values]}


def _dead_letters(bundle: Bundle, within: str) -> Part:
    """The name of what holds each queue's dead letters, as JSON; empty where its domain is left out."""
    own = {queue.removesuffix("Queue"): domain for queue, domain in bundle.queues.items()}
    text = ", ".join(f'"{name}": "${{{name}}}"' for name in own)
    values = {
        name: bundle.given(domain, within, {"Fn::GetAtt": [f"{name}DeadLetters", "QueueName"]}, "")
        for name, domain in own.items()
    }
    return {"Fn::Sub": ["{" + text + "}", values]}


def _events(bundle: Bundle, path: Path, function: Function) -> Part:
    events = {route.name: _route(route) for route in code.routes(path)}
    if function.hears_dead_executions:
        detail = {
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
            "stateMachineArn": [policies.state_machine(name) for name in bundle.machines],
        }
        status = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"], "detail": detail}
        events["ExecutionDied"] = {"Type": "EventBridgeRule", "Properties": {"Pattern": status}}
    return events | function.events


def _route(route: Route) -> Part:
    scopes = [{"Fn::Sub": f"${{ScopePrefix}}{scope}"} for scope in route.scopes]
    auth: Part = {"AuthorizationScopes": scopes} if scopes else {"Authorizer": "NONE"}
    properties = {
        "ApiId": {"Ref": "Api"},
        "Method": route.method,
        "Path": route.path,
        "Auth": auth,
    }
    return {"Type": "HttpApi", "Properties": properties}


def _queue(function: str, queue: Queue, timeout: int) -> dict[str, Part]:
    """A queue, its dead letters with their alarm, and the mapping that makes it a function's source.

    SAM's `Events: SQS` would let the function read every queue. The mapping limits how many run at once: the throttling
    of reserved concurrency would drive healthy messages to the dead letters. A message is hidden for six times its
    consumer's timeout, as AWS advises.
    """
    dead = f"{queue.name}DeadLetters"
    source = {
        "FunctionName": {"Ref": function},
        "EventSourceArn": {"Fn::GetAtt": [f"{queue.name}Queue", "Arn"]},
        "BatchSize": queue.batch_size,
        "MaximumBatchingWindowInSeconds": queue.batch_seconds,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": queue.concurrency},
    }
    holds = {
        "VisibilityTimeout": 6 * timeout,
        "KmsMasterKeyId": {"Ref": "DataKey"},
        "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]}, "maxReceiveCount": RECEIVES},
    }
    keeps = {"MessageRetentionPeriod": TWO_WEEKS, "KmsMasterKeyId": {"Ref": "DataKey"}}
    own = f"{queue.name}Queue"
    return {
        f"{function}Source": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {key: value for key, value in source.items() if value},
        },
        own: {"Type": "AWS::SQS::Queue", "Properties": holds},
        f"{own}Policy": _encrypted_only(own),
        dead: {"Type": "AWS::SQS::Queue", "Properties": keeps},
        f"{dead}Policy": _encrypted_only(dead),
        f"{dead}Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": _alarm(dead, queue.alarm)},
    }


def _encrypted_only(queue: str) -> Part:
    """A queue's policy: nobody uses it without TLS."""
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    document = {"Version": "2012-10-17", "Statement": [denied]}
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": queue}], "PolicyDocument": document}}


def _alarm(queue: str, description: str) -> Part:
    return {
        "AlarmDescription": description,
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0,
        "TreatMissingData": "notBreaching",
        "AlarmActions": {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]},
    }


def of_machine(bundle: Bundle, name: str, machine: Machine) -> dict[str, Part]:
    """A state machine and its log group. It is named, so that its own role can name it."""
    stem = machine.path.name.removesuffix(".asl.yaml")
    destination = {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": [f"{name}Logs", "Arn"]}}}
    properties = {
        "Name": {"Fn::Sub": f"${{AWS::StackName}}-{name}"},
        "DefinitionUri": machine.path.relative_to(bundle.functions.parent).as_posix(),
        "DefinitionSubstitutions": {f"{step}Arn": {"Fn::GetAtt": [step, "Arn"]} for step in machine.steps},
        "Tracing": {"Enabled": True},
        "Logging": {"Level": "ERROR", "IncludeExecutionData": False, "Destinations": [destination]},
        "Policies": [{"Statement": policies.of_machine(bundle, name, machine)}],
    }
    return {
        name: {"Type": "AWS::Serverless::StateMachine", "Properties": properties},
        f"{name}Logs": log_group(f"/aws/vendedlogs/states/${{AWS::StackName}}/{stem}"),
    }
