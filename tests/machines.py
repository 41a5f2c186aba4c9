"""State machines executed by moto's interpreter, within AWS's sizes, with functions that the test gives."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from local.aws import quotas

type Function = Callable[[str, dict[str, Any]], Any]

ARN = "arn:aws:lambda:us-east-1:210987654321:function"


class Raised(Exception):
    """What a function raises: the class's name and the message, as Lambda passes them on."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.kind = kind


def definition(path: Path) -> dict[str, Any]:
    """A definition with the ARN of `ListCities` for `${ListCitiesArn}`, and so on."""
    text = re.sub(r"\$\{(\w+)Arn\}", rf"{ARN}:\1", path.read_text(encoding="utf-8"))
    machine: dict[str, Any] = yaml.safe_load(text)
    return machine


@contextmanager
def executing(machine: dict[str, Any], function: Function) -> Iterator[Callable[[Any], Any]]:
    """Gives what executes the machine and describes its end. `function(name, event)` answers or raises Raised."""
    quotas.enforce()
    backend: StepFunctionsParserBackend = stepfunctions_parser_backends["210987654321"]["us-east-1"]
    made = backend.create_state_machine(f"m-{time.time_ns()}", json.dumps(machine), "arn:aws:iam::210987654321:role/r")

    def invoke(parameters: dict[str, Any], **_where: object) -> dict[str, Any]:
        try:
            answer = function(parameters["FunctionName"].split(":")[-1], json.loads(parameters["Payload"]))
        except Raised as error:
            problem = {"errorType": error.kind, "errorMessage": str(error), "stackTrace": []}
            return {"Payload": problem, "FunctionError": "Unhandled", "StatusCode": 200}
        return {"Payload": answer, "StatusCode": 200}

    def execute(given: Any, seconds: float = 120) -> Any:
        execution = backend.start_execution(made.arn, f"r-{time.time_ns()}", json.dumps(given))
        deadline = time.monotonic() + seconds
        while (seen := backend.describe_execution(execution.execution_arn)).status == "RUNNING":
            assert time.monotonic() < deadline, "the execution does not end"
            time.sleep(0.02)
        return seen

    with patch.object(lambda_eval_utils, "_invoke_lambda_function", invoke):
        yield execute
    backend.delete_state_machine(made.arn)
