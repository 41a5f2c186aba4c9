"""template.yaml read for this machine: what moto's CloudFormation makes, and what the stack does itself."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from local import openapi
from local.definitions import definition_string
from local.intrinsics import Resolver, parameter_values
from local.model import STACK_NAME, Blueprint, EventRule, Function, QueueMapping, Schedule

CODE_BUCKET, CODE_KEY = "longhaul-code", "code.zip"

# What moto makes, and the properties it is given; the rest needs nothing here (networks, alarms, keys, policies).
MADE = {
    "AWS::Lambda::Function": "FunctionName Code Handler Role Runtime MemorySize Timeout Environment",
    "AWS::IAM::Role": "AssumeRolePolicyDocument",
    "AWS::StepFunctions::StateMachine": "StateMachineName DefinitionString RoleArn",
    "AWS::SQS::Queue": "QueueName VisibilityTimeout RedrivePolicy FifoQueue ContentBasedDeduplication DelaySeconds"
    " MessageRetentionPeriod MaximumMessageSize ReceiveMessageWaitTimeSeconds",
    "AWS::DynamoDB::Table": "TableName KeySchema AttributeDefinitions BillingMode ProvisionedThroughput"
    " GlobalSecondaryIndexes LocalSecondaryIndexes TimeToLiveSpecification",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
}


NAMES = {"AWS::Lambda::Function": "FunctionName", "AWS::SQS::Queue": "QueueName", "AWS::DynamoDB::Table": "TableName"}


ALWAYS = {"Fn::Equals": ["", ""]}


class TemplateError(Exception):
    """The template asks for something that the local stack does not have."""


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


def read(path: Path, chosen: Mapping[str, str]) -> Blueprint:
    """Read the SAM template at `path`, giving its parameters the `chosen` values.

    Raises TemplateError when it needs something that does not exist here. The translator wants a region in the
    process's environment (AWS_DEFAULT_REGION).
    """
    template = yaml_parse(path.read_text(encoding="utf-8"))
    resolver = Resolver(template, parameter_values(template.get("Parameters", {}), chosen))
    resources = _prepared(_resolved(template, resolver))
    translated = transform(resources["sam"], {}, _NoManagedPolicies())["Resources"]
    for name, machine in resources["machines"].items():
        translated[name]["Properties"]["DefinitionString"] = definition_string(
            machine.get("Definition"),
            machine.get("DefinitionUri"),
            machine.get("DefinitionSubstitutions", {}),
            path.parent,
        )
        translated[name]["Properties"].pop("DefinitionSubstitutions", None)
    return Blueprint(
        resources=_made(translated),
        functions=tuple(_functions(translated)),
        mappings=tuple(_mappings(translated)),
        schedules=tuple(_schedules(translated)),
        rules=tuple(_rules(translated)),
        api=openapi.read(translated),
    )


def _resolved(template: Mapping[str, Any], resolver: Resolver) -> dict[str, Any]:
    resources = {
        name: {key: value for key, value in resource.items() if key not in ("Condition", "DependsOn")}
        for name, resource in template["Resources"].items()
        if resolver.holds(resource.get("Condition", ALWAYS))
    }
    parts = {"Resources": resources, "Globals": template.get("Globals", {})}
    return {"Transform": template["Transform"], **resolver.resolve(parts)}


def _prepared(template: dict[str, Any]) -> dict[str, Any]:
    """Split off what the translator wants packaged in S3: code, layers and definitions."""
    template.get("Globals", {}).get("Function", {}).pop("Layers", None)
    layers = ("AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion")
    resources = {name: r for name, r in template["Resources"].items() if r["Type"] not in layers}
    machines = {}
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties.pop("Layers", None)
            properties["CodeUri"] = f"s3://{CODE_BUCKET}/{CODE_KEY}"
        elif resource["Type"] == "AWS::Serverless::StateMachine":
            machines[name] = {key: properties.pop(key) for key in list(properties) if key.startswith("Definition")}
            properties["Definition"] = {"StartAt": "Placeholder", "States": {}}
    return {"sam": {**template, "Resources": resources}, "machines": machines}


def _made(translated: Mapping[str, Any]) -> dict[str, Any]:
    made = {}
    for name, resource in translated.items():
        if resource["Type"] in MADE:
            wanted = MADE[resource["Type"]].split()
            properties = {key: value for key, value in resource.get("Properties", {}).items() if key in wanted}
            if resource["Type"] in NAMES:  # the same at every start, or logs and ARNs are hard to follow
                properties.setdefault(NAMES[resource["Type"]], f"{STACK_NAME}-{name}")
            made[name] = {"Type": resource["Type"], "Properties": properties}
    for name, resource in made.items():
        for missing in set(_references(resource)) - made.keys():
            raise TemplateError(f"{name} refers to {missing}, which the local stack does not make")
    return made


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value.split(".")[0] if isinstance(value, str) else value[0]
            else:
                yield from _references(value)


def _of_type(translated: Mapping[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in translated.items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def _logical(value: Any) -> str:
    name = next(_references(value), None)
    if name is None:
        raise TemplateError(f"expected a reference to a resource of the template, not {value!r}")
    return name


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _functions(translated: Mapping[str, Any]) -> Iterator[Function]:
    for name, properties in _of_type(translated, "AWS::Lambda::Function"):
        yield Function(
            name=name,
            handler=properties["Handler"],
            timeout=int(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            reserved=_number(properties.get("ReservedConcurrentExecutions")),
        )


def _mappings(translated: Mapping[str, Any]) -> Iterator[QueueMapping]:
    for _, properties in _of_type(translated, "AWS::Lambda::EventSourceMapping"):
        if properties.get("Enabled", True):
            yield QueueMapping(
                queue=_logical(properties["EventSourceArn"]),
                function=_logical(properties["FunctionName"]),
                batch_size=int(properties.get("BatchSize", 10)),
                window=float(properties.get("MaximumBatchingWindowInSeconds", 0)),
                concurrency=_number(properties.get("ScalingConfig", {}).get("MaximumConcurrency")),
                partial="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", ()),
            )


def _schedules(translated: Mapping[str, Any]) -> Iterator[Schedule]:
    for name, properties in _of_type(translated, "AWS::Events::Rule"):
        if "ScheduleExpression" in properties and properties.get("State", "ENABLED") == "ENABLED":
            for target in properties["Targets"]:
                expression = properties["ScheduleExpression"]
                yield Schedule(name, _logical(target["Arn"]), expression, "aws.events", target.get("Input"))
    for name, properties in _of_type(translated, "AWS::Scheduler::Schedule"):
        if properties.get("State", "ENABLED") == "ENABLED":
            target, expression = properties["Target"], properties["ScheduleExpression"]
            yield Schedule(name, _logical(target["Arn"]), expression, "aws.scheduler", target.get("Input"))


def _rules(translated: Mapping[str, Any]) -> Iterator[EventRule]:
    for name, properties in _of_type(translated, "AWS::Events::Rule"):
        if "EventPattern" in properties:
            pattern = properties["EventPattern"]
            pattern = json.loads(pattern) if isinstance(pattern, str) else pattern
            for target in properties["Targets"]:
                yield EventRule(name, _logical(target["Arn"]), pattern)
