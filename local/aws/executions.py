"""Executions of state machines: a definition is parsed once, and of what has ended little is kept.

moto parses a definition with ANTLR for each execution, a tenth of what the local AWS computes in a busy test run. It
keeps each execution's history and values for ever, half a megabyte a task.
"""

import functools
import threading
import time
from collections import deque
from typing import Any

from local.aws import replace

KEPT_SECONDS = 300.0
KEPT = 100  # histories

_ended: deque[tuple[float, Any]] = deque()  # when, and the execution
_forgotten: dict[tuple[str, str, str], tuple[Any, Any]] = {}  # the worker and the machine, by what the machine is
_changing = threading.Lock()


@functools.cache
def parse_once() -> None:
    """Let this process's moto keep the syntax tree of each definition. An execution's components are its own."""
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
    from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor

    @functools.lru_cache(256)
    def tree(definition: str) -> Any:
        return parse(definition)[1]

    def parsed(definition: str) -> tuple[Any, Any]:
        known = tree(definition)
        return Preprocessor().visit(known), known

    parse = AmazonStateLanguageParser.parse
    replace(AmazonStateLanguageParser, "parse", staticmethod(parsed))
    _read_texts_once()


def _read_texts_once() -> None:
    """Keep the text of each node of a tree. Half of making an execution's components was joining it from its leaves."""
    from antlr4.RuleContext import RuleContext

    def text(self: Any) -> str:
        known: str | None = vars(self).get("_text")
        if known is None:
            known = join(self)
            if self.stop is not None:  # it has been parsed to its end
                self._text = known
        return known

    join = replace(RuleContext, "getText", text)


def ended(execution: Any, now: float | None = None) -> None:
    """Note that an execution has ended: forget its states' values, and the histories beyond those that are kept.

    A history is kept for KEPT_SECONDS, and of the KEPT that ended last. An execution's status, input and output stay,
    and so does its name: it is not started twice.
    """
    now = time.monotonic() if now is None else now
    _drop_values(execution.exec_worker)
    with _changing:
        _ended.append((now, execution))
        old = []
        while len(_ended) > KEPT or _ended[0][0] < now - KEPT_SECONDS:
            old.append(_ended.popleft()[1])
    for each in old:
        _forget(each)


def _drop_values(worker: Any) -> None:
    """Give an execution's worker an environment without values, but with the history and the Map runs."""
    if worker is not None and worker.env is not None:
        fresh = worker._get_evaluation_environment()
        fresh.event_manager = worker.env.event_manager
        fresh.map_run_record_pool_manager = worker.env.map_run_record_pool_manager
        worker.env = fresh


def _forget(execution: Any) -> None:
    """Let all executions of a machine that were forgotten have the same worker, without a history, and definition."""
    worker, machine = execution.exec_worker, execution.state_machine
    if worker is None or worker.env is None:
        return
    known = machine.arn, machine.definition, machine.roleArn
    if known not in _forgotten:
        worker.env = worker._get_evaluation_environment()
        _forgotten[known] = worker, machine
    execution.exec_worker, execution.state_machine = _forgotten[known]
