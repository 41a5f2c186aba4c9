"""The rights of a function that a test calls in its own process: those of its role, as the stack enforces them."""

import io
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from botocore.awsrequest import AWSPreparedRequest

from local.iam import credentials, refusals, requests
from local.iam.grants import blueprint_of
from local.iam.policies import Grant, Need
from local.options import ROOT, TESTED
from local.template.model import ACCOUNT, REGION, STACK_NAME

_KINDS = {"_TABLE": "Table", "_QUEUE_URL": "Queue", "_BUCKET": "Bucket", "_TOPIC": "Topic", "_SECRET_ARN": "SecretArn"}


def keep(grants: Iterable[str]) -> None:
    """Add to what the tests used of the template's grants, for `make unused-grants`."""
    with (ROOT / TESTED).open("a", encoding="utf-8") as tested:
        tested.write("".join(f"{grant}\n" for grant in grants))


class Rights:
    """Every role of the template. A test's own tables, queues and secrets stand for those that their variables name.

    `used` are the grants that allowed what functions did.
    """

    def __init__(self) -> None:
        blueprint = blueprint_of(ROOT / "template.yaml")
        self.used: set[Grant] = set()
        self._policies = blueprint.policies
        self._roles = {function.handler.removesuffix(".handler"): function.role for function in blueprint.functions}
        self._arns = {named.split()[-1].removesuffix(".Arn"): arn for arn, named in blueprint.policies.names.items()}

    def refusal(self, function: str, request: AWSPreparedRequest) -> str | None:
        """How a request of this function (`tasks.serve_tasks`) would be refused; None if it would not."""
        environ = environ_of(request)
        signed = credentials.signature(environ)
        if signed is None:
            return None
        here = dict(self._stand_ins())
        role = self._roles[function]
        for need in requests.needs(signed.service, environ, environ["wsgi.input"].read, self._policies):
            meant = Need(need.action, tuple(_meant(resource, here) for resource in need.resources))
            decision = self._policies.decide(role, meant)
            if not decision.allowed:
                return refusals.denied(self._policies, role, meant, explicitly=decision.denied)
            self.used.update(decision.grants)
        return None

    def _stand_ins(self) -> Iterator[tuple[str, str]]:
        """Yield the ARN of each resource of the test, and that of the template's resource that it stands for."""
        for variable, value in os.environ.items():
            for ending, kind in _KINDS.items():
                logical = "".join(map(str.capitalize, variable.removesuffix(ending).split("_"))) + kind
                if variable.endswith(ending) and logical in self._arns:
                    yield _arn(kind, value), self._arns[logical]
        for model in json.loads(os.environ.get("AI_MODELS") or "[]"):
            yield model["secret_arn"], self._arns["AiSecretArns"]
        for name, dead in json.loads(os.environ.get("DEAD_LETTERS") or "{}").items():
            yield _arn("Queue", dead), self._arns[f"{name}DeadLetters"]
        for name, workflow in json.loads(os.environ.get("WORKFLOW_ARNS") or "{}").items():
            if workflow.startswith("arn:"):
                yield workflow, self._arns[name]


def environ_of(request: AWSPreparedRequest) -> dict[str, Any]:
    """The request as WSGI gives it to an application."""
    parts, body = urlsplit(request.url), request.body or b""
    data = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": value if isinstance(value, str) else value.decode()
        for name, value in request.headers.items()
    }
    return {
        **headers,
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": io.BytesIO(data),
    }


def _arn(kind: str, value: str) -> str:
    match kind:
        case "Table":
            return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{value}"
        case "Queue":
            return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{value.rpartition('/')[2]}"
        case "Bucket":
            return f"arn:aws:s3:::{value}"
    return value


def _meant(resource: str, here: dict[str, str]) -> str:
    """What a resource of the test stands for; an execution or an object for one of the template's."""
    if ":execution:" in resource:
        prefix, _, name = resource.partition(":execution:")
        return f"{prefix}:execution:{STACK_NAME}-{name}"
    bucket, slash, key = resource.partition("/")
    if bucket in here and slash:
        return f"{here[bucket]}/{key}"
    return here.get(resource, resource)
