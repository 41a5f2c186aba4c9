"""What the state machines and EventBridge send to the task core's functions."""

from typing import Any, Literal

from pydantic import BaseModel, Field, Json

from longhaul.aws.workflows import Attempt
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import TaskError


class Caught(BaseModel):
    """A Catch's error output."""

    error: str = Field(alias="Error")
    cause: str = Field(alias="Cause", default="")

    @property
    def task_error(self) -> TaskError:
        return TaskError.from_cause(self.error, self.cause)


class CloseRequest(Attempt):
    """The last state of a workflow: how its attempt ended."""

    outcome: Literal["SUCCEEDED", "FAILED"]
    result: dict[str, Any] | None = None
    error: Caught | None = None

    def ended(self) -> Outcome:
        if self.outcome == "SUCCEEDED":
            return Outcome(result=self.result)
        return Outcome(error=self.error.task_error if self.error else TaskError("failed", "the workflow failed"))


class FailStepRequest(Attempt):
    """A step whose retries are used up. Its label is where it was planned: a state carries keys."""

    key: str = Field(min_length=1, max_length=128)
    level: str = Field(min_length=1, max_length=32)
    error: Caught


class FailStepsRequest(Attempt):
    """A batch of steps whose retries are used up. `prefix` stands before each key: a state carries what differs."""

    keys: list[str] = Field(min_length=1)
    prefix: str = ""
    error: Caught

    @property
    def step_keys(self) -> list[str]:
        return [f"{self.prefix}{key}" for key in self.keys]


class RecoverRequest(BaseModel):
    """What recovery is asked for; a schedule's event says nothing of it.

    `restarted`: what ran executions and held messages was started anew and remembers nothing of before.
    """

    restarted: bool = False


class ExecutionEnd(BaseModel):
    """`detail` of "Step Functions Execution Status Change".

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """

    execution_arn: str = Field(alias="executionArn")
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"]
    input: Json[Attempt]
    error: str | None = None
    cause: str | None = None

    @property
    def outcome(self) -> Outcome:
        """A dead execution is transient whatever killed it, unless it says that one of our errors did."""
        if self.error:
            return Outcome(error=TaskError.from_cause(self.error, self.cause or ""))
        code = f"Execution.{self.status}"
        return Outcome(error=TaskError(code, self.cause or f"the execution ended as {self.status}"))
