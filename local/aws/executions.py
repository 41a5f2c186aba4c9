"""Executions of state machines: a definition is parsed once, and what has ended long ago is forgotten.

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

_ended: deque[tuple[float, Any]] = deque()  # when, and the execution
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


def ended(execution: Any, now: float | None = None) -> None:
    """Note that an execution has ended, and forget the histories of those that did KEPT_SECONDS ago.

    Their status, input and output stay, and so do their names: an execution is not started twice.
    """
    now = time.monotonic() if now is None else now
    with _changing:
        _ended.append((now, execution))
        old = []
        while _ended[0][0] < now - KEPT_SECONDS:
            old.append(_ended.popleft()[1])
    for each in old:
        worker = each.exec_worker
        if worker is not None and worker.env is not None:
            worker.env = worker._get_evaluation_environment()
