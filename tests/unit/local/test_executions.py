"""Executions on this machine: parsed once, each with values of its own, and forgotten when they ended long ago."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

from moto.stepfunctions.parser.asl.antlr.runtime.ASLParser import ASLParser
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from local.aws import executions
from tests.machines import executing

PASS = {"Type": "Pass", "OutputPath": "$.number", "End": True}
MACHINE: dict[str, Any] = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.numbers",
            "ItemProcessor": {"StartAt": "One", "States": {"One": PASS}},
            "End": True,
        }
    },
}


def test_executions_of_one_definition_share_its_tree_and_nothing_else(monkeypatch: Any) -> None:
    # GIVEN a machine that was executed once
    executions.parse_once()
    with executing(MACHINE, lambda *_: None) as execute:
        execute({"numbers": [{"number": 0}]})
        parsing = Mock(side_effect=AssertionError("parsed again"))
        monkeypatch.setattr(ASLParser, "state_machine", parsing)

        # WHEN it is executed at once with other inputs
        with ThreadPoolExecutor(8) as threads:
            given = [{"numbers": [{"number": each}, {"number": -each}]} for each in range(8)]
            seen = list(threads.map(execute, given))

    # THEN each has its own output
    assert [one.output for one in seen] == [[each, -each] for each in range(8)]


def test_the_history_of_what_ended_long_ago_is_forgotten_and_its_end_is_not() -> None:
    # GIVEN two executions that ended six minutes apart
    backend: StepFunctionsParserBackend = stepfunctions_parser_backends["210987654321"]["us-east-1"]
    with executing(MACHINE, lambda *_: None) as execute:
        old, new = (execute({"numbers": [{"number": each}]}) for each in (1, 2))
        now = time.monotonic()

        # WHEN their ends are noted
        executions.ended(old, now - executions.KEPT_SECONDS - 1)
        assert len(history(backend, old)) > 2
        executions.ended(new, now)

        # THEN the first is what it was, without its history
        assert history(backend, old) == []
        described: Any = backend.describe_execution(old.execution_arn)
        assert (described.status, described.output) == ("SUCCEEDED", [1])
        assert len(history(backend, new)) > 2


def history(backend: StepFunctionsParserBackend, execution: Any) -> list[Any]:
    return list(backend.get_execution_history(execution.execution_arn)["events"])
