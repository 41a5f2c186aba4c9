"""Refusals as AWS words them, in the protocol of the request, and the statement that is missing."""

import json
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from local.iam.policies import Need, Policies
from local.template.model import ACCOUNT, STACK_NAME

INVALID_TOKEN = "The security token included in the request is invalid."


class Refusal(NamedTuple):
    """A response that is an error."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Error(NamedTuple):
    """The name of an error: in JSON's protocols, and in those of Query and XML."""

    json: str
    xml: str


DENIED = Error("AccessDeniedException", "AccessDenied")
UNKNOWN_KEY = Error("UnrecognizedClientException", "InvalidClientTokenId")
# These have left the Query protocol, and keep its codes and status.
_QUERY_COMPATIBLE = ("sqs", "monitoring")
# Services that name a denial otherwise in Query.
_DENIED_OF = {"sns": "AuthorizationError"}


def denied(policies: Policies, role: str, need: Need, *, explicitly: bool = False) -> str:
    """Return the message of a denial: who, what, on what, and what to add to the template."""
    owner, resource = policies.roles[role].owner, need.resources[0]
    user = f"arn:aws:sts::{ACCOUNT}:assumed-role/{STACK_NAME}-{role}/{owner}"
    asked = f"User: {user} is not authorized to perform: {need.action} on resource: {resource}"
    if explicitly:
        return f"{asked} with an explicit deny in an identity-based policy of {owner}."
    return f"{asked} because no identity-based policy allows the {need.action} action. {addition(policies, role, need)}"


def addition(policies: Policies, role: str, need: Need) -> str:
    """Return what to write where."""
    owner = policies.roles[role].owner
    return f"Add to `statements` of {owner} in its deployment.yaml, then `make template`: {statement(policies, need)}"


def statement(policies: Policies, need: Need) -> str:
    """Return the statement that would allow it, as a line of YAML."""
    return f"- {{Effect: Allow, Action: {need.action}, Resource: {expression(policies, need.resources[0])}}}"


def expression(policies: Policies, resource: str) -> str:
    """Return what names a resource in the template, or its ARN where the template does not make it."""
    names = policies.names
    if resource in names:
        return names[resource]
    if ":execution:" in resource:
        machine, _, execution = resource.replace(":execution:", ":stateMachine:", 1).rpartition(":")
        for arn in (machine, machine.partition("/")[0]):
            if arn in names:
                logical = names[arn].removeprefix("!Ref ")
                rest = "/*" if "/" in machine.rpartition(":")[2] or "/" in execution else ":*"
                prefix = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution"
                return f'!Sub "{prefix}:${{{logical}.Name}}{rest}"'
    parent, _, child = resource.partition("/index/")
    if child and parent in names:
        return f'!Sub "${{{names[parent].removeprefix("!GetAtt ")}}}/index/{child}"'
    parent = resource.partition("/")[0]
    if parent in names:
        return f'!Sub "${{{names[parent].removeprefix("!GetAtt ")}}}/*"'
    return f'"{resource}"'


def refuse(environ: Mapping[str, Any], service: str, error: Error, message: str) -> Refusal:
    """Return the error in the protocol of a WSGI request to this service."""
    request_id = str(uuid.uuid4())
    if service == "s3":
        code = "InvalidAccessKeyId" if error is UNKNOWN_KEY else error.xml
        return _xml(f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>", request_id)
    if "HTTP_X_AMZ_TARGET" in environ:
        return _json(service, error, message, request_id)
    if service in ("lambda", "ses", "execute-api"):
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.json)]
        body = json.dumps({"message": message}).encode()
        return Refusal("403 FORBIDDEN", [*headers, ("x-amzn-requestid", request_id)], body)
    code = _DENIED_OF.get(service, error.xml) if error is DENIED else error.xml
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    document = f"<ErrorResponse>{inner}<RequestId>{request_id}</RequestId></ErrorResponse>"
    return _xml(document, request_id)


def _json(service: str, error: Error, message: str, request_id: str) -> Refusal:
    status, headers = "400 BAD REQUEST", [("Content-Type", "application/x-amz-json-1.0")]
    if service in _QUERY_COMPATIBLE:
        status, headers = "403 FORBIDDEN", [*headers, ("x-amzn-query-error", f"{error.xml};Sender")]
    body = json.dumps({"__type": f"com.amazon.coral.service#{error.json}", "message": message, "Message": message})
    return Refusal(status, [*headers, ("x-amzn-requestid", request_id)], body.encode())


def _xml(document: str, request_id: str) -> Refusal:
    headers = [("Content-Type", "application/xml"), ("x-amz-request-id", request_id), ("x-amzn-requestid", request_id)]
    return Refusal("403 FORBIDDEN", headers, b"<?xml version='1.0' encoding='UTF-8'?>" + document.encode())
