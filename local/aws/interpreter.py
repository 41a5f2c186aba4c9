"""moto's interpreter of state machines, without what it computes again for each state or keeps for ever.

It parses each JSONPath anew wherever one stands, thirty times a step: four fifths of what a step costs. It starts a
thread to wait for another, and keeps every thread that has ended. A worker of a Map calls itself for its next item, so
that all items' values live until the last one ends, and a thousand items of one worker pass Python's limit of calls.
"""

import copy
import functools
import sys
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from local.aws import replace, replace_everywhere

ATOMS = frozenset({str, int, float, bool, type(None)})
PATHS = 4096  # JSONPaths that stay parsed


@functools.cache
def quicken() -> None:
    """Change this process's moto."""
    import moto.stepfunctions.parser.models  # noqa: F401 # so that all of its modules are there to be changed

    _parse_paths_once()
    _forget_threads()
    _copy_plainly()
    _run_in_place()
    _take_jobs_in_turn()
    _share_the_input_of_a_map()
    _keep_no_events_of_children()


def _parse_paths_once() -> None:
    """A parsed path has no state: finding and setting values by it only reads it."""
    from moto.stepfunctions.parser.asl.component.common.path import result_path
    from moto.stepfunctions.parser.asl.utils import json_path

    for module in (json_path, result_path):
        replace(module, "parse", functools.lru_cache(PATHS)(module.parse))


def _forget_threads() -> None:
    """moto keeps threads so that a reset can wait for them; nothing here resets."""
    from moto.stepfunctions.parser import utils

    replace_everywhere(utils, "TMP_THREADS", deque(maxlen=0))


def _copy_plainly() -> None:
    """Copy what is JSON without deepcopy's book of what it has copied, which is most of what is left of a step."""
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.parser.asl.") and getattr(module, "copy", None) is copy:
            replace(module, "copy", SimpleNamespace(deepcopy=copied))


def copied(value: Any) -> Any:
    """A deep copy. JSON has no cycles, and nothing in it is one thing twice."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is dict:
        return {name: item if type(item) in ATOMS else copied(item) for name, item in value.items()}
    if kind is list:
        return [item if type(item) in ATOMS else copied(item) for item in value]
    return copy.deepcopy(value)


def _run_in_place() -> None:
    """Run a program without a timeout in the thread that waits for it."""
    from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
    from moto.stepfunctions.parser.asl.component.program.program import Program

    def evaluated(self: Any, env: Any) -> None:
        if self.timeout_seconds is not None:
            evaluate(self, env)
            return
        env.next_state_name = self.start_at.start_at_name
        EvalComponent.eval(self, env)

    evaluate = replace(Program, "eval", evaluated)


def _take_jobs_in_turn() -> None:
    """Let a worker of a Map take its items in a loop: it calls itself for the next one, as the last thing it does."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
        distributed_item_processor_worker as distributed,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.iteration_worker import IterationWorker

    for worker in (IterationWorker, distributed.DistributedItemProcessorWorker):
        replace(worker, "_eval_pool", _in_turn(vars(worker)["_eval_pool"]))


def _in_turn(evaluate: Callable[..., None]) -> Callable[..., None]:
    def evaluated(self: Any, job: Any, worker_frame: Any) -> None:
        if (waiting := vars(self).get("_waiting")) is not None:
            waiting.append(job)
            return
        self._waiting = [job]
        while self._waiting:
            evaluate(self, job=self._waiting.pop(), worker_frame=worker_frame)
        self._waiting = None

    return evaluated


def _share_the_input_of_a_map() -> None:
    """Let the items of a Map read its input, which their selector picks from. moto copies all of it for each item."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
        inline_item_processor_worker as inline,
    )

    def selected(self: Any, env_frame: Any) -> None:
        if selector := self._item_selector or self._parameters:
            env_frame.states._states_data["input"] = self._env.stack[-1]
            env_frame.stack.append(self._env.stack[-1])
            selector.eval(env_frame)
            env_frame.states.reset(input_value=env_frame.stack[-1])

    replace(inline.InlineItemProcessorWorker, "_eval_input", selected)


def _keep_no_events_of_children() -> None:
    """Count the events of a distributed Map's children, which nothing can ask for, and write none of them."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import distributed_iteration_component
    from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager

    class Counted(EventManager):
        def add_event(self, context: Any, *_: Any, update_source_event_id: bool = True, **__: Any) -> int:
            with self._mutex:
                number: int = self._event_id_gen.get()
                context.last_published_event_id = number
                if update_source_event_id:
                    context.source_event_id = number
                return number

    replace(distributed_iteration_component, "EventManager", Counted)
