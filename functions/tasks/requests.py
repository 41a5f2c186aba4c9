"""What the state machines and EventBridge send to the task core's functions."""

from typing import Any, Literal

from pydantic import BaseModel, Field, Json

from longhaul.tasks.causes import read_cause
from longhaul.tasks.closing import Outcome
from longhaul.tasks.model import TaskError
from longhaul.tasks.steps import PlannedStep
from longhaul.workflows import Attempt


class Caught(BaseModel):
    """A Catch's error output."""

    error: str = Field(alias="Error")
    cause: str = Field(alias="Cause", default="")

    @property
    def task_error(self) -> TaskError:
        return read_cause(self.error, self.cause)


class CloseRequest(Attempt):
    """The last state of a workflow: how its attempt ended."""

    outcome: Literal["SUCCEEDED", "FAILED"]
    result: dict[str, Any] | None = None
    error: Caught | None = None

    def told(self) -> Outcome:
        if self.outcome == "SUCCEEDED":
            return Outcome(result=self.result)
        return Outcome(error=self.error.task_error if self.error else TaskError("failed", "the workflow failed"))


class FailStepRequest(Attempt):
    """A step whose retries are used up."""

    key: str = Field(min_length=1, max_length=128)
    level: str = Field(min_length=1, max_length=32)
    label: str = Field(max_length=200)
    error: Caught

    @property
    def planned(self) -> PlannedStep:
        return PlannedStep(self.key, self.level, self.label)


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
    def task_error(self) -> TaskError:
        """A dead execution is transient whatever killed it, unless it says that one of our errors did."""
        if self.error:
            return read_cause(self.error, self.cause or "")
        return TaskError(f"Execution.{self.status}", self.cause or f"the execution ended as {self.status}")
