"""Executions: start, stop, describe. One execution an attempt, named so that it starts once.

A workflow is a state machine, or a queue. A state machine's execution is Step Functions' own. A queue's is what its
consumer does: a message says only that the task has changed, and the consumer looks at the task's row and brings the
world outside in line with it. So starting, pausing, resuming and cancelling are the same message, and sending it twice
or late does no harm.
"""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from longhaul import aws, settings
from longhaul.errors import WorkflowUnavailable


class Attempt(BaseModel):
    """What an execution is started with, and what each of its functions gets beside its own input."""

    task_id: str = Field(min_length=1, max_length=96)
    attempt: int = Field(ge=1)


type ExecutionStatus = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]

_GONE = ("ExecutionDoesNotExist", "StateMachineDoesNotExist")
_NOT_WAITING = ("InvalidToken", "TaskDoesNotExist", "TaskTimedOut")


def execution_prefix(workflow: str) -> str:
    """What an execution's ARN begins with; its name follows. A queue's has its URL: `https://...#<name>`.

    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-arns.html)
    """
    arn: str = settings.of(settings.Workflows).workflow_arns[workflow]
    return f"{arn}#" if of_queue(arn) else arn.replace(":stateMachine:", ":execution:") + ":"


def start(execution_arn: str, attempt: Attempt) -> None:
    """Start the execution with this ARN; one that this attempt has started before is left alone.

    Raises WorkflowUnavailable, also when the name belongs to an execution with another input.
    """
    if of_queue(execution_arn):
        _send(execution_arn, attempt)
        return
    machine, _, name = execution_arn.rpartition(":")
    with _translated(f"start {name}", but_for=["ExecutionAlreadyExists"]):
        aws.client("stepfunctions").start_execution(
            stateMachineArn=machine.replace(":execution:", ":stateMachine:"),
            name=name,
            input=attempt.model_dump_json(),
        )
        return
    with _translated(f"look at the execution that has the name {name}"):
        known = aws.client("stepfunctions").describe_execution(executionArn=execution_arn)
    if not _has_input(attempt, known.get("input", "")):
        raise WorkflowUnavailable(f"the name {name} belongs to an execution with another input; start another attempt")


def stop(execution_arn: str, attempt: Attempt, cause: str) -> None:
    """Stop the execution if it runs; one that is gone is stopped. Raises WorkflowUnavailable."""
    if of_queue(execution_arn):
        _send(execution_arn, attempt)
        return
    with _translated(f"stop {execution_arn}", but_for=_GONE):
        aws.client("stepfunctions").stop_execution(executionArn=execution_arn, cause=cause)


def describe(execution_arn: str) -> ExecutionStatus | None:
    """The execution's status, None when there is no such execution. Raises WorkflowUnavailable.

    A queue's is RUNNING as long as its task: whether it lives, its task's heartbeat says.
    """
    if of_queue(execution_arn):
        return "RUNNING"
    with _translated(f"describe {execution_arn}", but_for=_GONE):
        return aws.client("stepfunctions").describe_execution(executionArn=execution_arn)["status"]
    return None


def wake(token: str) -> None:
    """Let the execution go on that waits with this task token, if one still does. Raises WorkflowUnavailable."""
    with _translated("wake an execution", but_for=_NOT_WAITING):
        aws.client("stepfunctions").send_task_success(taskToken=token, output="{}")


def _has_input(attempt: Attempt, text: str) -> bool:
    try:
        return Attempt.model_validate_json(text) == attempt
    except ValidationError:
        return False


def of_queue(arn: str) -> bool:
    """Whether this execution is a queue's."""
    return arn.startswith("http")


def _send(execution_arn: str, attempt: Attempt) -> None:
    url, _, name = execution_arn.rpartition("#")
    with _translated(f"tell the queue of {name}"):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=attempt.model_dump_json())


@contextmanager
def _translated(doing: str, *, but_for: Container[str] = ()) -> Iterator[None]:
    """AWS's errors as WorkflowUnavailable, but for the codes which say that it is done already."""
    try:
        yield
    except aws.errors() as error:
        if aws.error_code(error) not in but_for:
            raise WorkflowUnavailable(f"cannot {doing}: {error}") from error
