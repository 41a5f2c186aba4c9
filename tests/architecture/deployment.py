"""Template and code agree: what a function is given is what it reads, and a queue is a unit with its rescue."""

import ast
import json
from pathlib import Path
from typing import Any

from longhaul import settings
from tests.architecture.repository import Module, Repository, referred

OPENAPI = Path("functions/docs/openapi.json")
OPEN = frozenset({"/docs", "/openapi.json"})  # to all: they hold no data


def environments(repository: Repository) -> list[str]:
    """A function's own variables in the template are those of the settings models that its module requires."""
    everywhere = repository.template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    found = [f"Globals give every function {name}" for name in everywhere if not name.startswith("POWERTOOLS_")]
    modules = {f"{module.name}.handler": module for module in repository.functions}
    for name, properties in repository.function_resources().items():
        if module := modules.get(properties["Handler"]):
            given = properties.get("Environment", {}).get("Variables", {}).keys()
            read = required(module)
            found += [f"{name} is given {variable}, which it does not read" for variable in sorted(given - read)]
            found += [f"{name} reads {variable}, which it is not given" for variable in sorted(read - given)]
    return found


def required(module: Module) -> set[str]:
    """The variables of the models named in `settings.require(settings.Database, ...)`."""
    return {
        field.upper()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "settings.require"
        for model in node.args
        for field in getattr(settings, ast.unparse(model).removeprefix("settings.")).model_fields
    }


def queues(repository: Repository) -> list[str]:
    """Every queue has a dead-letter queue with an alarm, and hides a message six times its consumer's timeout."""
    all_queues = repository.resources("AWS::SQS::Queue")
    rescues = {name: referred(_rescue(properties)) for name, properties in all_queues.items()}
    dead = set(rescues.values()) - {""}
    alarmed = _alarmed(repository)
    found = []
    for name in sorted(all_queues.keys() - dead):
        if not rescues[name]:
            found.append(f"{name} has no dead-letter queue")
        elif rescues[name] not in alarmed:
            found.append(f"{rescues[name]} has no alarm on what it holds")
        timeouts = [repository.function_setting(consumer, "Timeout", 3) for consumer in consumers(repository, name)]
        hidden = all_queues[name].get("VisibilityTimeout", 30)
        if timeouts and hidden != 6 * max(timeouts):
            found.append(
                f"{name} hides a message {hidden} s; six times its consumer's timeout is {6 * max(timeouts)} s"
            )
    return found


def _rescue(properties: dict[str, Any]) -> Any:
    return properties.get("RedrivePolicy", {}).get("deadLetterTargetArn")


def _alarmed(repository: Repository) -> set[str]:
    """The queues with an alarm on their visible messages."""
    return {
        referred(dimension["Value"])
        for alarm in repository.resources("AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible" and alarm["Namespace"] == "AWS/SQS"
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "QueueName"
    }


def consumers(repository: Repository, queue: str) -> list[str]:
    return [
        referred(source["FunctionName"])
        for source in repository.resources("AWS::Lambda::EventSourceMapping").values()
        if referred(source["EventSourceArn"]) == queue
    ]


def sources(repository: Repository) -> list[str]:
    """A consumer reports the records that failed, and is held back at its source, not by throttling."""
    found = []
    for name, source in repository.resources("AWS::Lambda::EventSourceMapping").items():
        if "ReportBatchItemFailures" not in source.get("FunctionResponseTypes", []):
            found.append(f"{name} does not report single failures")
        if source.get("ScalingConfig", {}).get("MaximumConcurrency", 0) < 2:
            found.append(f"{name} has no MaximumConcurrency of at least 2")
        if repository.function_setting(referred(source["FunctionName"]), "ReservedConcurrentExecutions") is not None:
            found.append(f"{name}'s function has reserved concurrency")
    return found


def routes(repository: Repository) -> list[str]:
    """The gateway lets through what the code serves, with the scopes that the code needs: openapi.json says both."""
    document = json.loads((repository.root / OPENAPI).read_text(encoding="utf-8"))
    served = {
        f"{method.upper()} {path}": sorted(scope for needs in operation["security"] for scope in needs["bearer"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    routed = {
        f"{event['Method']} {event['Path']}": sorted(event["Auth"].get("AuthorizationScopes", []))
        for properties in repository.function_resources().values()
        for event in (source["Properties"] for source in properties.get("Events", {}).values())
        if "Path" in event and not (event["Path"] in OPEN and event["Auth"] == {"Authorizer": "NONE"})
    }
    return [
        f"{route}: the template asks for {routed.get(route)}, the code for {served.get(route)}"
        for route in sorted(served.keys() | routed.keys())
        if served.get(route) != routed.get(route)
    ]


def quotas(repository: Repository) -> list[str]:
    """A function that routes of a scope lead to reads the quotas and may count against them (`http.limits`)."""
    needed = {field.upper() for model in (settings.Limits, settings.Cache) for field in model.model_fields}
    found = []
    for name, properties in repository.function_resources().items():
        sources = [source["Properties"] for source in properties.get("Events", {}).values()]
        if any("AuthorizationScopes" in source.get("Auth", {}) for source in sources):
            given = properties.get("Environment", {}).get("Variables", {}).keys()
            found += [f"{name} is not given {variable}" for variable in sorted(needed - given)]
            if not _allows(properties, "dynamodb:UpdateItem", "CacheTable"):
                found.append(f"{name} may not count requests in CacheTable")
    return found


def _allows(properties: dict[str, Any], action: str, table: str) -> bool:
    return any(
        action in _listed(statement["Action"]) and table in map(referred, _listed(statement["Resource"]))
        for policy in properties.get("Policies", [])
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
    )


def logs(repository: Repository) -> list[str]:
    """Every function writes to a log group of its own in the template, which forgets after a while."""
    groups = repository.resources("AWS::Logs::LogGroup")
    found = [f"{name} keeps logs for ever" for name, group in groups.items() if "RetentionInDays" not in group]
    for name, properties in repository.function_resources().items():
        if referred(properties.get("LoggingConfig", {}).get("LogGroup")) != f"{name}Logs":
            found.append(f"{name} does not log to {name}Logs")
    return found


def permissions(repository: Repository) -> list[str]:
    """No function may do everything of a service, or one thing to everything; none shares a role."""
    found = []
    for name, properties in repository.function_resources().items():
        if "Role" in properties:
            found.append(f"{name} has a role from elsewhere")
        for policy in properties.get("Policies", []):
            for statement in policy["Statement"] if isinstance(policy, dict) and "Statement" in policy else [{}]:
                actions, resources = _listed(statement.get("Action", "*")), _listed(statement.get("Resource", "*"))
                if any(str(action).endswith("*") for action in actions) or "*" in resources:
                    found.append(f"{name} may do {actions} on {resources}")
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
