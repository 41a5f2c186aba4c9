"""template.yaml read for this machine: what moto's CloudFormation makes, and what the stack does itself."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from local.template import openapi, rights, websocket
from local.template.intrinsics import Resolver, parameter_values
from local.template.model import Blueprint, EventRule, Function, QueueMapping, Schedule, TemplateError
from local.template.physical import MADE, NAMES, name_of
from local.template.roles import owner_role, policies

CODE_BUCKET, CODE_KEY = "longhaul-code", "code.zip"

ALWAYS = {"Fn::Equals": ["", ""]}

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_MARK = "__substitution_{}__"
_MARKED = re.compile(_MARK.format(r"(\w+?)"))


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


def read(path: Path, chosen: Mapping[str, str]) -> Blueprint:
    """Read the SAM template at `path`, with the `chosen` values of its parameters.

    Raises TemplateError for a value that is not allowed, or when it needs what the local stack lacks. The translator
    needs AWS_DEFAULT_REGION in this process's environment.
    """
    template = yaml_parse(path.read_text(encoding="utf-8"))
    values = parameter_values(template.get("Parameters", {}), chosen)
    resolver = Resolver(template, values)
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
    api, sockets, roles = openapi.read(translated), websocket.read(translated), policies(translated, values)
    return Blueprint(
        resources=_made(translated),
        functions=tuple(_functions(translated)),
        mappings=tuple(_mappings(translated)),
        schedules=tuple(_schedules(translated)),
        rules=tuple(_rules(translated)),
        api=api,
        sockets=sockets,
        policies=roles,
        rights=rights.checked(translated, roles, api, sockets),
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
    """Take out what the translator expects to be packaged in S3: code, layers and definitions."""
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
            properties[NAMES[resource["Type"]]] = name_of(name, resource)
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
            role=owner_role(name, properties),
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


def definition_string(
    definition: Mapping[str, Any] | None, uri: str | None, substitutions: Mapping[str, Any], root: Path
) -> dict[str, Any]:
    """Return a state machine's DefinitionString with its substitutions made.

    Substitution is textual, so that `MaxConcurrency: ${Limit}` becomes a number, as in the cloud. CloudFormation joins
    in the values that only it knows (ARNs). Its Fn::Sub cannot do that here: moto's turns `$$.` into `$.`.
    """
    text = json.dumps(definition) if definition is not None else (root / str(uri)).read_text(encoding="utf-8")
    pending = {name: value for name, value in substitutions.items() if isinstance(value, dict)}

    def fold(match: re.Match[str]) -> str:
        name = match[1]
        return _MARK.format(name) if name in pending else str(substitutions.get(name, match[0]))

    document = json.dumps(yaml.safe_load(_PLACEHOLDER.sub(fold, text)), ensure_ascii=False)
    parts: list[Any] = []
    for index, part in enumerate(_MARKED.split(document)):  # text, name, text, name, ..., text
        parts.append(pending[part] if index % 2 else part)
    return {"Fn::Join": ["", parts]}
