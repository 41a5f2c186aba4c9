"""A state machine's short way to a function gives what the long way gives: boto3's request to the local AWS."""

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.aws.functions import Functions, invocation
from local.iam import credentials
from local.iam.guard import Guard
from local.running import RunningStack
from local.template.model import ACCOUNT, REGION, STACK_NAME

PREFIX = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:longhaul-"


@pytest.mark.parametrize(
    ("role", "parameters"),
    [
        ("FlowRole", {"FunctionName": f"{PREFIX}Serve", "Payload": b'{"mode": "hi"}'}),
        ("FlowRole", {"FunctionName": "longhaul-Serve", "Payload": b'{"mode": "hi"}'}),
        ("FlowRole", {"FunctionName": f"{PREFIX}Serve", "Payload": b'{"mode": "raise"}'}),
        ("FlowRole", {"FunctionName": f"{PREFIX}Serve", "Payload": b'{"mode": "exit"}'}),
        ("FlowRole", {"FunctionName": f"{PREFIX}Note"}),
        ("FlowRole", {"FunctionName": f"{PREFIX}Serve", "Qualifier": "7"}),
        ("BarredRole", {"FunctionName": f"{PREFIX}Serve"}),
        ("NobodyRole", {"FunctionName": f"{PREFIX}Serve"}),
    ],
)
def test_both_ways_give_the_same(stack: RunningStack, role: str, parameters: dict[str, Any]) -> None:
    invoke = invocation(Functions(stack.options.runtime_url), Guard(stack.options.iam))
    given = SimpleNamespace(role_arn=f"arn:aws:iam::{ACCOUNT}:role/{STACK_NAME}-{role}")

    short = seen(lambda: invoke(parameters, REGION, given))

    assert short == seen(lambda: client(stack, role).invoke(**parameters))


def test_what_is_missing_is_refused_as_by_lambda(stack: RunningStack) -> None:
    missing = {"FunctionName": "longhaul-Missing"}
    given = SimpleNamespace(role_arn="arn:aws:iam::1:role/x")
    refused = seen(lambda: invocation(Functions(stack.options.runtime_url), Allowing())(missing, REGION, given))  # type: ignore[arg-type]
    assert refused == seen(lambda: stack.aws("lambda").invoke(**missing))
    assert refused[:2] == ("ResourceNotFoundException", 404)


class Allowing:
    def refusal(self, _environ: dict[str, Any]) -> None:
        return None


def client(stack: RunningStack, role: str) -> Any:
    keys = credentials.of_role(role)
    return boto3.client(
        "lambda",
        region_name=REGION,
        endpoint_url=stack.options.aws_url,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys["AWS_SESSION_TOKEN"],
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def seen(invoke: Any) -> Any:
    """What the interpreter reads of an answer, or of an error; without the ids that each call has of its own."""
    try:
        answer = invoke()
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        assert metadata["RequestId"]
        problem = error.response["Error"]
        return problem["Code"], metadata["HTTPStatusCode"], problem["Message"]
    payload = answer["Payload"] if isinstance(answer["Payload"], dict) else json.load(answer["Payload"])
    mode = payload.get("mode"), payload.get("errorType")
    return answer["StatusCode"], answer.get("FunctionError"), mode, answer.get("ExecutedVersion")
