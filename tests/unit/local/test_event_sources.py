"""Queues, schedules and execution events of the sample stack: what makes functions run without a caller."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.aws.eventbridge import matches, minutes, tick
from local.aws.server import status_event
from local.running import RunningStack, eventually
from local.template.model import ACCOUNT, REGION, Schedule


def url(stack: RunningStack, name: str) -> str:
    answer: str = stack.aws("sqs").get_queue_url(QueueName=f"longhaul-{name}")["QueueUrl"]
    return answer


def seen(stack: RunningStack, key: str) -> dict[str, Any] | None:
    found = stack.aws("dynamodb").get_item(TableName="longhaul-Seen", Key={"id": {"S": key}})
    item: dict[str, Any] | None = found.get("Item")
    return item


def noted(stack: RunningStack) -> list[dict[str, Any]]:
    items = stack.aws("dynamodb").scan(TableName="longhaul-Seen")["Items"]
    return [event for item in items if "source" in (event := json.loads(item["event"]["S"]))]


def test_a_batch_is_gathered_and_only_what_failed_comes_again_until_it_is_dead(stack: RunningStack) -> None:
    # GIVEN a process that has started: on a busy machine that takes longer than the queue's visibility timeout
    sqs, orders = stack.aws("sqs"), url(stack, "Orders")
    sqs.send_message(QueueUrl=orders, MessageBody="warm")
    eventually(lambda: seen(stack, "warm/1"))

    # AND twelve orders sent together (more than one receive brings), one of which fails always
    bodies = [f"good-{number}" for number in range(11)] + ["bad"]
    for start in (0, 10):
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies[start : start + 10])]
        sqs.send_message_batch(QueueUrl=orders, Entries=entries)

    # WHEN they have been worked on
    dead = eventually(
        lambda: sqs.receive_message(QueueUrl=url(stack, "Dead"), MessageAttributeNames=["All"]).get("Messages"),
        seconds=60,
    )

    # THEN the good ones were done once, the bad one twice, and then it went to the dead letters
    assert [message["Body"] for message in dead] == ["bad"]
    for body in bodies:
        assert seen(stack, f"{body}/1"), body
        assert (seen(stack, f"{body}/2") is not None) == (body == "bad"), body
    assert seen(stack, "bad/3") is None
    batches = {int(item["batch"]["N"]) for body in bodies if (item := seen(stack, f"{body}/1"))}
    assert max(batches) > 10
    record = json.loads((seen(stack, "good-0/1") or {})["event"]["S"])
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(":longhaul-Orders")
    assert record.keys() >= {"messageId", "receiptHandle", "attributes", "messageAttributes", "md5OfBody", "awsRegion"}
    assert (
        sqs.get_queue_attributes(QueueUrl=orders, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
        == "0"
    )


def test_a_schedule_fires(stack: RunningStack) -> None:
    event = eventually(lambda: [event for event in noted(stack) if event["source"] == "aws.events"])[0]
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == ["arn:aws:events:us-east-1:123456789012:rule/NoteOften"]


def execute(stack: RunningStack, name: str, modes: list[str]) -> str:
    states = stack.aws("stepfunctions")
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:longhaul-Flow"
    started: str = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps({"modes": modes}))[
        "executionArn"
    ]
    return started


def test_a_state_machine_catches_errors_by_the_name_of_their_class(stack: RunningStack) -> None:
    # GIVEN a run with an answer, an exception, a killed process and a timeout
    states, arn = stack.aws("stepfunctions"), execute(stack, "run-caught", ["fine", "raise", "die", "exit"])

    # WHEN it has ended
    ended = eventually(lambda: (run := states.describe_execution(executionArn=arn))["status"] != "RUNNING" and run, 40)

    # THEN each error was caught by its name
    assert ended["status"] == "SUCCEEDED"
    output = json.loads(ended["output"])
    assert output[0]["answer"]["mode"] == "fine"
    assert [item["error"]["Error"] for item in output[1:]] == ["OutOfStock", "Runtime.ExitError", "Runtime.ExitError"]
    assert json.loads(output[1]["error"]["Cause"])["errorMessage"] == "nothing left"


@pytest.mark.parametrize(
    ("name", "modes", "status"), [("dead", ["unpayable"], "FAILED"), ("cut", ["sleep"], "ABORTED")]
)
def test_an_execution_that_dies_is_told_to_the_rule(
    stack: RunningStack, name: str, modes: list[Any], status: str
) -> None:
    # GIVEN a run that fails for want of what it should map over, and one that is stopped by hand
    states = stack.aws("stepfunctions")
    arn = execute(stack, name, {"FAILED": "none"}.get(status, modes))
    if status == "ABORTED":
        eventually(lambda: stack.pids("Serve", busy=True))
        states.stop_execution(executionArn=arn)

    # THEN the function that the rule names hears of it
    event = eventually(
        lambda: [
            event
            for event in noted(stack)
            if event["source"] == "aws.states" and event["detail"]["executionArn"] == arn
        ]
    )[0]
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["detail"]["status"] == status
    assert event["detail"]["name"] == name
    assert event["detail"]["stateMachineArn"] in arn.replace(":execution:", ":stateMachine:")
    assert event["detail"]["stopDate"] >= event["detail"]["startDate"]


def test_lambda_invoke_over_the_local_aws(stack: RunningStack) -> None:
    functions = stack.aws("lambda")
    answer = functions.invoke(FunctionName="longhaul-Serve", Payload=b'{"mode": "hi"}')
    assert json.load(answer["Payload"])["mode"] == "hi"
    failed = functions.invoke(FunctionName="longhaul-Serve", Payload=b'{"mode": "raise"}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.load(failed["Payload"])["errorType"] == "OutOfStock"
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.invoke(FunctionName="nobody", Payload=b"{}")


def test_a_function_over_its_reserved_concurrency_is_refused_with_a_request_id(stack: RunningStack) -> None:
    # GIVEN a function that may run once at a time, and is at work
    functions = stack.aws("lambda")
    event = json.dumps({"id": "slow", "seconds": 4}).encode()
    functions.invoke(FunctionName="longhaul-Note", InvocationType="Event", Payload=event)

    # WHEN others call it
    def refusal() -> dict[str, Any] | None:
        try:
            functions.invoke(FunctionName="longhaul-Note", Payload=b'{"id": "other"}')
        except functions.exceptions.TooManyRequestsException as error:
            response: dict[str, Any] = error.response
            return response
        return None

    # THEN they are refused, in the way that the state machine needs
    refused = eventually(refusal)
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert refused["ResponseMetadata"]["RequestId"]
    assert refused["Error"]["Message"] == "Rate Exceeded."
    assert refused["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.states"]}, True),
        ({"source": ["aws.s3", "aws.states"], "detail": {"status": ["FAILED"]}}, True),
        ({"detail": {"status": ["SUCCEEDED"]}}, False),
        ({"detail": {"name": [{"prefix": "run-"}]}}, True),
        ({"detail": {"name": [{"suffix": "-8"}]}}, False),
        ({"detail": {"status": [{"anything-but": ["FAILED"]}]}}, False),
        ({"detail": {"error": [{"exists": False}]}}, True),
        ({"detail": {"name": [{"exists": True}]}}, True),
        ({"detail": {"deep": {"er": ["x"]}}}, False),
        ({"resources": ["r-2"]}, True),
    ],
)
def test_event_patterns(pattern: dict[str, Any], expected: bool) -> None:
    event = {"source": "aws.states", "resources": ["r-1", "r-2"], "detail": {"status": "FAILED", "name": "run-7"}}
    assert matches(pattern, event) is expected


@pytest.mark.parametrize(
    ("expression", "expected"), [("rate(1 minute)", 1), ("rate(5 minutes)", 5), ("rate(2 hours)", 120)]
)
def test_rates(expression: str, expected: int) -> None:
    assert minutes(expression) == expected


def test_only_rates_run() -> None:
    with pytest.raises(ValueError, match="cron"):
        minutes("cron(0 3 * * ? *)")


def test_a_schedulers_event_differs_from_a_rules() -> None:
    event = tick(Schedule("Nightly", "Note", "rate(1 day)", "aws.scheduler"))
    assert (event["source"], event["detail"]) == ("aws.scheduler", "{}")
    assert event["resources"] == ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/Nightly"]


def test_a_status_event_of_an_execution_without_an_end_is_an_error() -> None:
    with pytest.raises(KeyError):
        status_event({"executionArn": "a", "status": "RUNNING"})


@pytest.mark.parametrize(
    ("given", "output", "included"),
    [
        ("x" * 1000, "y" * 1000, [True, True]),
        ('"' * 100_000, "y" * 100_000, [False, True]),
        ("x" * 1000, '"' * 127_000, [True, False]),
    ],
)
def test_a_status_event_leaves_out_what_is_too_large_for_it(given: str, output: str, included: list[bool]) -> None:
    now = datetime.now(UTC)
    execution = {"executionArn": "a", "status": "SUCCEEDED", "startDate": now, "stopDate": now}
    detail = status_event({**execution, "input": given, "output": output})["detail"]
    assert [detail["inputDetails"]["included"], detail["outputDetails"]["included"]] == included
    assert [detail["input"], detail["output"]] == [given if included[0] else None, output if included[1] else None]
