"""The local stack refuses the sizes that AWS refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.aws import quotas
from local.aws.quotas import MAX_BYTES
from tests.machines import ARN, executing

CAUGHT = [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Caught"}]


def machine(**state: Any) -> dict[str, Any]:
    """A state that catches everything it can."""
    first = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True, "Catch": CAUGHT} | state
    return {"StartAt": "First", "States": {"First": first, "Caught": {"Type": "Fail", "Error": "Caught"}}}


def task(**more: Any) -> dict[str, Any]:
    return machine(Parameters={"FunctionName": f"{ARN}:Answer", "Payload.$": "$"}, OutputPath="$.Payload", **more)


def ended(definition: dict[str, Any], given: Any, answer: Any = None) -> tuple[str, str | None]:
    with executing(definition, lambda _name, _event: answer) as execute:
        end = execute(given)
    return end.status, end.error


def test_a_state_may_have_256_kb_of_utf8_and_not_a_byte_more() -> None:
    given = {"text": "好" * 87_000, "pad": ""}
    given["pad"] = "x" * (MAX_BYTES - quotas.size_of(given))
    assert quotas.size_of(given) == MAX_BYTES
    passed = {"StartAt": "First", "States": {"First": {"Type": "Pass", "End": True}}}
    assert ended(passed, given) == ("SUCCEEDED", None)
    assert ended(passed, given | {"pad": given["pad"] + "x"}) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.parametrize("size", [100_000, MAX_BYTES])
def test_what_a_function_is_given_and_answers_is_no_larger_and_no_catch_helps(size: int) -> None:
    limit = ("SUCCEEDED", None) if size < MAX_BYTES else ("FAILED", "States.DataLimitExceeded")
    assert ended(task(), {}, "x" * size) == limit
    assert ended(task(InputPath="$.text"), {"text": "x" * (size - 60)}) == limit


def test_neither_are_all_the_results_of_a_map_even_when_they_are_thrown_away() -> None:
    inner = {"Type": "Pass", "Result": "x" * 1000, "End": True}
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Inner", "States": {"Inner": inner}}

    def run(items: int) -> tuple[str, str | None]:
        state = {"Type": "Map", "ItemProcessor": processor, "ResultPath": None, "End": True, "Catch": CAUGHT}
        definition = machine() | {"States": {"First": state, "Caught": {"Type": "Fail", "Error": "Caught"}}}
        return ended(definition, list(range(items)))

    assert run(200) == ("SUCCEEDED", None)
    assert run(270) == ("FAILED", "States.DataLimitExceeded")


@contextmanager
def own_aws() -> Iterator[None]:
    """moto in this process. What it holds stays: in a process of many tests it is others' too."""
    mock = mock_aws()
    mock.start(reset=False)
    try:
        yield
    finally:
        mock.stop(remove_data=False)


def test_messages_are_measured_in_bytes_alone_and_ten_together() -> None:
    with own_aws():
        quotas.enforce()
        sqs = boto3.client("sqs", region_name="us-east-1")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="x" * MAX_BYTES)
        with pytest.raises(ClientError, match="shorter than"):
            sqs.send_message(QueueUrl=url, MessageBody="好" * (MAX_BYTES // 3 + 1))
        entries: Any = [{"Id": str(number), "MessageBody": "好" * 30_000} for number in range(3)]
        with pytest.raises(ClientError, match="BatchRequestTooLong"):
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
        sqs.delete_queue(QueueUrl=url)
