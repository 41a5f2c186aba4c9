"""Executions on this machine: parsed once, each with values of its own, and forgotten when they ended long ago."""

import copy
import gc
import sys
import time
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from unittest.mock import Mock

import pytest
from antlr4.tree.Tree import TerminalNodeImpl
from jsonpath_ng.parser import JsonPathParser
from moto.sqs.models import Message
from moto.stepfunctions.parser import utils
from moto.stepfunctions.parser.asl.antlr.runtime.ASLParser import ASLParser
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from local.aws import executions, interpreter, server
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


def test_the_text_of_a_node_is_joined_once(monkeypatch: Any) -> None:
    # GIVEN a machine that was executed once
    executions.parse_once()
    with executing(MACHINE, lambda *_: None) as execute:
        execute({"numbers": [{"number": 1}]})
        monkeypatch.setattr(TerminalNodeImpl, "getText", Mock(side_effect=AssertionError("read again")))

        # WHEN it is executed again, THEN none of its definition's texts is read from its leaves
        assert execute({"numbers": [{"number": 2}]}, seconds=10).output == [2]


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


def test_only_the_histories_that_ended_last_are_kept(monkeypatch: Any) -> None:
    # GIVEN room for two histories, and three executions that end within a second
    monkeypatch.setattr(executions, "KEPT", 2)
    backend: StepFunctionsParserBackend = stepfunctions_parser_backends["210987654321"]["us-east-1"]
    with executing(MACHINE, lambda *_: None) as execute:
        each = [execute({"numbers": [{"number": number}]}) for number in (1, 2, 3)]
        for one in each:
            executions.ended(one)

        # THEN the first has lost its history, and is known by its name, input and output
        assert [len(history(backend, one)) > 2 for one in each] == [False, True, True]
        assert [one.output for one in each] == [[1], [2], [3]]
        # AND none keeps the values of its states
        assert [one.exec_worker.env.states.get_input() for one in each[:2]] == [each[0].input_data, each[1].input_data]


def test_a_model_that_nothing_uses_is_gone() -> None:
    # GIVEN a local AWS, which would keep each message, item and clone of a machine, eighteen kilobytes a task
    server.forget_models()

    # WHEN a message has been deleted
    message = weakref.ref(Message("an-id", "a body"))
    gc.collect()

    # THEN nothing has it
    assert message() is None


def test_of_an_execution_that_was_forgotten_little_is_kept(monkeypatch: Any) -> None:
    # GIVEN a machine of whose executions one has a history
    server.forget_models()
    executions.parse_once()
    interpreter.quicken()
    monkeypatch.setattr(executions, "KEPT", 1)
    with executing(MACHINE, lambda *_: None) as execute:

        def run(number: int) -> None:
            for each in range(number):
                executions.ended(execute({"numbers": [{"number": each}]}))
            gc.collect()

        run(20)
        tracemalloc.start()

        # WHEN more are executed
        run(50)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    # THEN each has left some kilobytes: its name, its status, its input and its output
    assert kept / 50 < 3_000


def test_a_worker_of_a_map_takes_more_items_than_calls_may_be_nested() -> None:
    # GIVEN one worker for more items than Python lets calls be nested
    interpreter.quicken()
    many: dict[str, Any] = copy.deepcopy(MACHINE)
    many["States"]["Each"]["MaxConcurrency"] = 1
    numbers = [{"number": number} for number in range(sys.getrecursionlimit() + 100)]

    for mode in ("INLINE", "DISTRIBUTED"):
        many["States"]["Each"]["ItemProcessor"]["ProcessorConfig"] = {"Mode": mode, "ExecutionType": "STANDARD"}
        with executing(many, lambda *_: None) as execute:
            assert execute({"numbers": numbers}).output == [each["number"] for each in numbers]


def test_a_selector_reads_the_input_of_its_map_and_changes_nothing_of_it() -> None:
    # GIVEN items that take a value of the Map's input, and change it
    interpreter.quicken()
    selecting: dict[str, Any] = copy.deepcopy(MACHINE)
    one = {"Type": "Pass", "Result": "changed", "ResultPath": "$.shared.mark", "End": True}
    selecting["States"]["Each"] |= {
        "ItemSelector": {"shared.$": "$.shared", "number.$": "$$.Map.Item.Value.number"},
        "ItemProcessor": {"StartAt": "One", "States": {"One": one}},
        "ResultPath": "$.seen",
    }
    with executing(selecting, lambda *_: None) as execute:
        seen = execute({"numbers": [{"number": 1}, {"number": 2}], "shared": {"mark": "given"}}).output

    assert seen["shared"] == {"mark": "given"}
    assert seen["seen"] == [{"shared": {"mark": "changed"}, "number": number} for number in (1, 2)]


def test_an_execution_parses_no_path_again_and_leaves_no_thread(monkeypatch: Any) -> None:
    # GIVEN a machine that was executed once
    interpreter.quicken()
    with executing(MACHINE, lambda *_: None) as execute:
        execute({"numbers": [{"number": 1}]})
        kept = len(utils.TMP_THREADS)
        monkeypatch.setattr(JsonPathParser, "parse", Mock(side_effect=AssertionError("parsed again")))

        # WHEN it is executed again
        seen = execute({"numbers": [{"number": 2}]})

    # THEN no path was parsed, and no thread is kept
    assert (seen.status, seen.output, len(utils.TMP_THREADS)) == ("SUCCEEDED", [2], kept)


@pytest.mark.parametrize("value", [None, 1.5, "a", [1, [2, {"a": [3]}]], {"a": {"b": [1]}, "c": datetime(2026, 1, 1)}])
def test_a_copy_is_equal_and_shares_nothing_that_can_change(value: Any) -> None:
    made = interpreter.copied(value)
    assert made == copy.deepcopy(value)
    if isinstance(value, dict):
        made["a"]["b"].append(2)
        assert value["a"] == {"b": [1]}


def history(backend: StepFunctionsParserBackend, execution: Any) -> list[Any]:
    return list(backend.get_execution_history(execution.execution_arn)["events"])
