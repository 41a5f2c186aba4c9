"""What a request to AWS needs: the actions and resources that IAM checks, read from the request as it is sent.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
lists them. A service is a line of a table here: of JSON or Query protocol (`PARAMETERS`), or of REST (`PATHS`). S3 has
functions of its own (`s3`). What no table knows is refused, as its resource cannot be guessed.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from local.iam import s3
from local.iam.policies import Need, Policies
from local.template.model import ACCOUNT, REGION

type Body = Mapping[str, Any]
type Resources = Callable[[str, Policies], tuple[str, ...]]


class Unknown(Exception):
    """No table knows the resource of this action."""


def _arn(service: str, form: str) -> Resources:
    """Return what makes an ARN of a name, where `{}` of `form` stands for it; an ARN stays what it is."""

    def resources(value: str, _policies: Policies) -> tuple[str, ...]:
        return (value if value.startswith("arn:") else f"arn:aws:{service}:{REGION}:{ACCOUNT}:{form.format(value)}",)

    return resources


def _queue(url: str, _policies: Policies) -> tuple[str, ...]:
    return (f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[-1]}",)


def _machines(_token: str, policies: Policies) -> tuple[str, ...]:
    """A task token does not tell whose it is: the right to answer any state machine is enough."""
    return policies.machines or ("*",)


def _secret(name: str, policies: Policies) -> tuple[str, ...]:
    """Return the ARN of a secret. Of a name, Secrets Manager adds six characters."""
    if name.startswith("arn:"):
        return (name,)
    base = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-"
    return tuple(arn for arn in policies.names if arn.startswith(base) and len(arn) == len(base) + 6) or (base,)


def _identity(sender: str, _policies: Policies) -> tuple[str, ...]:
    """Return the identities that a message may be sent as: the address, or its domain."""
    address = sender.rpartition("<")[2].rstrip(">")
    arn = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/"
    return (arn + address, arn + address.rpartition("@")[2])


def _any(_value: str, _policies: Policies) -> tuple[str, ...]:
    return ("*",)


class Parameters(NamedTuple):
    """A service whose resource stands in a parameter: the first of `resources` that the request has. Without any of
    them the action has no resource (`ListTables`)."""

    prefix: str
    resources: Mapping[str, Resources]
    actions: Mapping[str, str] = {}


# By the service of the signature.
PARAMETERS: dict[str, Parameters] = {
    "dynamodb": Parameters(
        "dynamodb",
        {"TableName": _arn("dynamodb", "table/{}"), "ResourceArn": _arn("dynamodb", "{}")},
    ),
    "sqs": Parameters(
        "sqs",
        {"QueueUrl": _queue, "QueueName": _queue, "SourceArn": _arn("sqs", "{}")},
        {
            "SendMessageBatch": "SendMessage",
            "DeleteMessageBatch": "DeleteMessage",
            "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
        },
    ),
    "states": Parameters(
        "states",
        {
            "executionArn": _arn("states", "{}"),
            "stateMachineArn": _arn("states", "{}"),
            "activityArn": _arn("states", "{}"),
            "mapRunArn": _arn("states", "{}"),
            "taskToken": _machines,
        },
    ),
    "secretsmanager": Parameters("secretsmanager", {"SecretId": _secret, "Name": _secret}),
    "ssm": Parameters("ssm", {"Name": _arn("ssm", "parameter/{}"), "Path": _arn("ssm", "parameter/{}")}),
    "kms": Parameters("kms", {"KeyId": _arn("kms", "key/{}")}),
    "logs": Parameters(
        "logs",
        {"logGroupName": _arn("logs", "log-group:{}:*"), "logGroupIdentifier": _arn("logs", "log-group:{}:*")},
    ),
    "events": Parameters("events", {"Name": _arn("events", "rule/{}"), "Rule": _arn("events", "rule/{}")}),
    "monitoring": Parameters("cloudwatch", {"AlarmName": _arn("cloudwatch", "alarm:{}")}),
    "sns": Parameters(
        "sns",
        {"TopicArn": _arn("sns", "{}"), "TargetArn": _arn("sns", "{}"), "PhoneNumber": _any},
        {"PublishBatch": "Publish"},
    ),
    "sts": Parameters("sts", {"RoleArn": _arn("iam", "role/{}")}),
}


class Path(NamedTuple):
    """A REST operation. `resource` has a `{}` for the group of `pattern`, or it is made of a parameter of the body."""

    method: str
    pattern: re.Pattern[str]
    action: str
    resource: str = ""
    parameter: str = ""
    resources: Resources | None = None


_ACCOUNT = f"{REGION}:{ACCOUNT}"
PATHS: dict[str, tuple[Path, ...]] = {
    "lambda": (
        Path(
            "POST",
            re.compile(r"/2015-03-31/functions/(.+)/invocations"),
            "lambda:InvokeFunction",
            f"arn:aws:lambda:{_ACCOUNT}:function:{{}}",
        ),
        Path(
            "GET",
            re.compile(r"/2015-03-31/functions/([^/]+)"),
            "lambda:GetFunction",
            f"arn:aws:lambda:{_ACCOUNT}:function:{{}}",
        ),
    ),
    "ses": (
        Path(
            "POST",
            re.compile(r"/v2/email/outbound-emails"),
            "ses:SendEmail",
            parameter="FromEmailAddress",
            resources=_identity,
        ),
    ),
    "execute-api": (
        Path(
            "*",
            re.compile(r"(?:/[\w-]+)?/@connections/(.+)"),  # the stage is a part of an API's own address
            "execute-api:ManageConnections",
            f"arn:aws:execute-api:{_ACCOUNT}:{{connections}}/{{method}}/@connections/{{}}",
        ),
    ),
}

# Operations that reach several tables: each item of the parameter names one.
_TRANSACTIONS = {"TransactGetItems", "TransactWriteItems"}
_ITEMS = {"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}


def needs(service: str, environ: Mapping[str, Any], body: Callable[[], bytes], policies: Policies) -> tuple[Need, ...]:
    """Return what a WSGI request to this service needs; `body` reads its body. Raises Unknown."""
    if service == "s3":
        return tuple(s3.needs(environ, body))
    if service in PATHS:
        return tuple(_of_path(service, environ, body, policies))
    if service not in PARAMETERS:
        raise Unknown(f"{service} is not in local/iam/requests.py: add its actions and resources there")
    operation, given = _named(environ, body)
    return tuple(_of_parameters(service, operation, given, policies))


def _named(environ: Mapping[str, Any], body: Callable[[], bytes]) -> tuple[str, Body]:
    """Return the operation and the parameters of a request in one of the protocols that name it."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rpartition(".")[2], _document(body())
    text = body().decode() if environ["REQUEST_METHOD"] == "POST" else environ.get("QUERY_STRING", "")
    given = {name: values[0] for name, values in parse_qs(text).items()}
    return given.get("Action", ""), given


def _document(body: bytes) -> Body:
    """Return a JSON body. A malformed one has no parameters: AWS refuses it for that."""
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _of_parameters(service: str, operation: str, given: Body, policies: Policies) -> Iterator[Need]:
    known = PARAMETERS[service]
    if service == "sts" and operation == "GetCallerIdentity":  # always allowed
        return
    if service == "dynamodb" and (several := _several(operation, given)):
        table = known.resources["TableName"]
        yield from (Need(f"dynamodb:{action}", table(name, policies)) for action, name in several)
        return
    if "PartiQL" in operation or operation in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
        raise Unknown(f"{service}:{operation} is not in local/iam/requests.py: add its actions and resources there")
    action = f"{known.prefix}:{known.actions.get(operation, operation)}"
    if service == "ssm" and isinstance(names := given.get("Names"), list):
        yield from (Need(action, (_parameter(name),)) for name in names)
    elif service == "events" and isinstance(entries := given.get("Entries"), list):
        buses = {str(entry.get("EventBusName", "default")) for entry in entries if isinstance(entry, dict)}
        yield from (Need(action, _arn("events", "event-bus/{}")(bus, policies)) for bus in sorted(buses))
    else:
        yield Need(action, _resource(known, given, policies))


def _resource(known: Parameters, given: Body, policies: Policies) -> tuple[str, ...]:
    for name, resources in known.resources.items():
        if isinstance(value := given.get(name), str):
            found = resources(value.removeprefix("/") if known.prefix == "ssm" else value, policies)
            index = given.get("IndexName")
            return (f"{found[0]}/index/{index}",) if index and known.prefix == "dynamodb" else found
    return ("*",)


def _parameter(name: str) -> str:
    return f"arn:aws:ssm:{_ACCOUNT}:parameter/{str(name).removeprefix('/')}"


def _several(operation: str, given: Body) -> Iterable[tuple[str, str]]:
    """Return (action, table) of a request to DynamoDB that names tables in its items."""
    if operation.startswith("Batch") and isinstance(items := given.get("RequestItems"), dict):
        return [(operation, name) for name in items]
    if operation not in _TRANSACTIONS:
        return ()
    items = [item for item in given.get("TransactItems", ()) if isinstance(item, dict)]
    return dict.fromkeys(
        (_ITEMS.get(kind, "ConditionCheckItem"), str(one["TableName"]))
        for item in items
        for kind, one in item.items()
        if isinstance(one, dict) and "TableName" in one
    )


def _of_path(service: str, environ: Mapping[str, Any], body: Callable[[], bytes], policies: Policies) -> Iterator[Need]:
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    for known in PATHS[service]:
        if known.method in ("*", method) and (found := known.pattern.fullmatch(path)):
            if known.resources is not None:
                value = _document(body()).get(known.parameter)
                yield Need(known.action, known.resources(str(value or ""), policies))
                return
            name = found[1]
            if name.startswith("arn:"):
                yield Need(known.action, (name,))
                return
            qualifier = parse_qs(environ.get("QUERY_STRING", "")).get("Qualifier", [""])[0]
            name = f"{name}:{qualifier}" if qualifier else name
            yield Need(known.action, (known.resource.format(name, connections=policies.connections, method=method),))
            return
    raise Unknown(f"{method} {path} of {service} is not in local/iam/requests.py: add its action and resource there")
