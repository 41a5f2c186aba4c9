"""Executions of state machines: start, stop, describe. One execution an attempt, named so that it starts once."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from longhaul import aws, settings
from longhaul.errors import WorkflowUnavailable


class Attempt(BaseModel):
    """What an execution is started with, and what each of its functions gets beside its own input."""

    task_id: str = Field(min_length=1, max_length=96)
    attempt: int = Field(ge=1)


type ExecutionStatus = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]

_GONE = {"ExecutionDoesNotExist", "StateMachineDoesNotExist"}


def execution_prefix(workflow: str) -> str:
    """What an execution's ARN begins with; its name follows.

    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-arns.html)
    """
    arn: str = settings.of(settings.Workflows).workflow_arns[workflow]
    return arn.replace(":stateMachine:", ":execution:") + ":"


def start(execution_arn: str, attempt: Attempt) -> None:
    """Start the execution with this ARN; one that was started before is left alone. Raises WorkflowUnavailable."""
    machine, _, name = execution_arn.rpartition(":")
    try:
        aws.client("stepfunctions").start_execution(
            stateMachineArn=machine.replace(":execution:", ":stateMachine:"),
            name=name,
            input=attempt.model_dump_json(),
        )
    except aws.errors() as error:
        if _code(error) != "ExecutionAlreadyExists":
            raise WorkflowUnavailable(f"cannot start {name}: {error}") from error


def stop(execution_arn: str, cause: str) -> None:
    """Stop the execution if it runs; one that is gone is stopped. Raises WorkflowUnavailable."""
    try:
        aws.client("stepfunctions").stop_execution(executionArn=execution_arn, cause=cause)
    except aws.errors() as error:
        if _code(error) not in _GONE:
            raise WorkflowUnavailable(f"cannot stop {execution_arn}: {error}") from error


def describe(execution_arn: str) -> ExecutionStatus | None:
    """The execution's status, None when there is no such execution. Raises WorkflowUnavailable."""
    try:
        return aws.client("stepfunctions").describe_execution(executionArn=execution_arn)["status"]
    except aws.errors() as error:
        if _code(error) in _GONE:
            return None
        raise WorkflowUnavailable(f"cannot describe {execution_arn}: {error}") from error


def _code(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
