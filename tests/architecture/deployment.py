"""Template and code agree: what a function is given is what it reads, and a queue is a unit with its rescue."""

import ast
import json
import re
from pathlib import Path
from typing import Any

from longhaul import settings
from tests.architecture.repository import Module, Repository, referred

OPENAPI = Path("functions/docs/openapi.json")
PREFIX = "${ScopePrefix}"
PAGE = Path("docs/api.md")
# Pages, open to all: they hold no data, or their address has a token that is the right to them.
OPEN = frozenset({"/docs", "/openapi.json", "/api/v1/mail/confirm/{token}", "/api/v1/mail/unsubscribe/{token}"})
ANYWHERE = frozenset({"states:SendTaskSuccess"})  # actions that know no resource
BROWSERS_OWN = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "access-control-request-method",
        "content-encoding",
        "content-length",
    }
)
_READ = re.compile(r"""headers(?:\.get\(|\[)"([a-z-]+)"|"([a-z-]+)" (?:not )?in [\w.]*headers""")


def environments(repository: Repository) -> list[str]:
    """A function's own variables in the template are those of the settings models that its module requires."""
    everywhere = repository.template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    found = [
        f"Globals give every function {name}"
        for name in everywhere
        if not name.startswith(("POWERTOOLS_", "PYDANTIC_"))
    ]
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
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible" and alarm["Namespace"] == "AWS/SQS"
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
    """A consumer reports the records that failed, and is held back at its source, not by throttling.

    What it has of reserved concurrency is more than its source may use.
    """
    found = []
    for name, source in repository.resources("AWS::Lambda::EventSourceMapping").items():
        if "ReportBatchItemFailures" not in source.get("FunctionResponseTypes", []):
            found.append(f"{name} does not report single failures")
        if source.get("ScalingConfig", {}).get("MaximumConcurrency", 0) < 2:
            found.append(f"{name} has no MaximumConcurrency of at least 2")
        function, most = referred(source["FunctionName"]), source.get("ScalingConfig", {}).get("MaximumConcurrency", 0)
        reserved = repository.function_setting(function, "ReservedConcurrentExecutions")
        if reserved is not None and _met(reserved) <= most:
            found.append(
                f"{function} has {_met(reserved)} reserved executions: reserve more than {most}, as {name} may"
            )
    return found


def _met(value: Any) -> int:
    """A number, or that of an `!If` whose condition is met."""
    return int(value["Fn::If"][1] if isinstance(value, dict) else value)


def encrypted(repository: Repository) -> list[str]:
    """Every queue and every bucket has a policy that denies what comes without TLS."""
    guarded = set()
    for kind, named in (("AWS::SQS::QueuePolicy", "Queues"), ("AWS::S3::BucketPolicy", "Bucket")):
        for policy in repository.resources(kind).values():
            if any(_denies_plain(statement) for statement in policy["PolicyDocument"]["Statement"]):
                guarded |= set(map(referred, listed(policy[named])))
    return [
        f"{name}: add a {kind}Policy that denies it without aws:SecureTransport"
        for kind in ("AWS::SQS::Queue", "AWS::S3::Bucket")
        for name in sorted(repository.resources(kind).keys() - guarded)
    ]


def _denies_plain(statement: dict[str, Any]) -> bool:
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    return statement["Effect"] == "Deny" and statement["Principal"] == "*" and statement["Condition"] == plain


def kept(repository: Repository) -> list[str]:
    """What cannot be made again outlives the stack: buckets, and the keys without which they cannot be read."""
    return [
        f"{name}: add {attribute}: Retain"
        for name, resource in repository.template["Resources"].items()
        if resource["Type"] in ("AWS::S3::Bucket", "AWS::KMS::Key")
        for attribute in ("DeletionPolicy", "UpdateReplacePolicy")
        if resource.get(attribute) != "Retain"
    ]


def routes(repository: Repository) -> list[str]:
    """The gateway lets through what the code serves, with the scopes that the code needs: openapi.json says both."""
    document = json.loads((repository.root / OPENAPI).read_text(encoding="utf-8"))
    served = {
        f"{method.upper()} {path}": sorted(
            scope for needs in operation.get("security", []) for scope in needs["bearer"]
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    routed = {
        f"{event['Method']} {event['Path']}": sorted(map(_scope, event["Auth"].get("AuthorizationScopes", [])))
        for properties in repository.function_resources().values()
        for event in (source["Properties"] for source in properties.get("Events", {}).values())
        if "Path" in event and not (event["Path"] in OPEN and event["Auth"] == {"Authorizer": "NONE"})
    }
    found = [
        f"{route} is in the template, but not in {OPENAPI}: run `make openapi`, or take the route out of its function"
        for route in sorted(routed.keys() - served.keys())
    ]
    found += [
        f"{route} is in {OPENAPI}, but not in the template: run `make template`"
        for route in sorted(served.keys() - routed.keys())
    ]
    found += [
        f"{route} needs {routed[route]} by the template, {served[route]} by {OPENAPI}: run `make openapi template`"
        for route in sorted(served.keys() & routed.keys())
        if served[route] != routed[route]
    ]
    return found


def _scope(value: Any) -> str:
    """A scope as the code has it: in the template the deployment's prefix stands before it."""
    text = value.get("Fn::Sub", "") if isinstance(value, dict) else str(value)
    return text.removeprefix(PREFIX) if text.startswith(PREFIX) else f"{text} without {PREFIX}"


def browsers(repository: Repository) -> list[str]:
    """A page of another origin may send every header that the code reads, and read each that an answer promises."""
    apis = repository.resources("AWS::Serverless::HttpApi").values()
    (cors,) = [api["CorsConfiguration"] for api in apis]
    document = json.loads((repository.root / OPENAPI).read_text(encoding="utf-8"))
    sent = {"authorization"} | {
        parameter["name"].lower()
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    }
    for module in repository.modules:
        code = (repository.root / module.path).read_text(encoding="utf-8")
        sent |= {name for names in _READ.findall(code) for name in names if name} - BROWSERS_OWN
    promised = set(document.get("components", {}).get("headers", ()))
    text = (repository.root / PAGE).read_text(encoding="utf-8")
    listed = {what: set(names.split()) for what, names in re.findall(r"may (send|read) `([^`]+)`", text)}
    allowed, exposed = set(cors["AllowHeaders"]), set(cors["ExposeHeaders"])
    found = [f"a page may not send {name}, which the code reads" for name in sorted(sent - allowed)]
    found += [f"a page may not read {name}, which answers have" for name in sorted(promised - exposed)]
    if {name.lower() for name in listed["send"]} != allowed or listed["read"] != exposed:
        found.append(f"{PAGE} says other headers than the template")
    return found


def architectures(repository: Repository) -> list[str]:
    """What pip puts into a layer is built for the machine that every function has."""
    wanted = repository.template["Globals"]["Function"]["Architectures"]
    found = [
        f"{name} has other Architectures than Globals: {wanted}"
        for name, properties in repository.function_resources().items()
        if properties.get("Architectures", wanted) != wanted
    ]
    for name, resource in repository.template["Resources"].items():
        metadata = resource.get("Metadata", {})
        if resource["Type"] == "AWS::Serverless::LayerVersion" and metadata["BuildMethod"].startswith("python"):
            if [metadata.get("BuildArchitecture")] != wanted:
                found.append(f"{name}: its BuildArchitecture is not that of the functions, {wanted}")
            if resource["Properties"].get("CompatibleArchitectures") != wanted:
                found.append(f"{name}: its CompatibleArchitectures are not those of the functions, {wanted}")
    return found


def quotas(repository: Repository) -> list[str]:
    """A function that routes of a scope lead to reads the quotas and may count against them (`http.limits`)."""
    needed = {field.upper() for model in (settings.Limits, settings.Cache) for field in model.model_fields}
    found = []
    for name, properties in repository.function_resources().items():
        sources = [source["Properties"] for source in properties.get("Events", {}).values()]
        if any("AuthorizationScopes" in source.get("Auth", {}) for source in sources):
            given = properties.get("Environment", {}).get("Variables", {}).keys()
            found += [f"{name} is not given {variable}" for variable in sorted(needed - given)]
            if not allows(properties, "dynamodb:UpdateItem", "CacheTable"):
                found.append(f"{name} may not count requests in CacheTable")
    return found


def allows(properties: dict[str, Any], action: str, resource: str) -> bool:
    return any(
        action in listed(statement["Action"]) and resource in map(referred, listed(statement["Resource"]))
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
                actions, resources = listed(statement.get("Action", "*")), listed(statement.get("Resource", "*"))
                everywhere = "*" in resources and not ANYWHERE.issuperset(map(str, actions))
                if any(str(action).endswith("*") for action in actions) or everywhere:
                    found.append(f"{name} may do {actions} on {resources}")
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
