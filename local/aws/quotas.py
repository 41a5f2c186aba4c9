"""Size limits of AWS that moto lacks or measures differently: the data of an execution's states, and messages.

Step Functions takes 256 KB of UTF-8 for whatever enters or leaves a state, also for a Map's results. A Catch of
States.ALL does not match that error (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html and
concepts-error-handling.html). moto checks only what leaves a state, counts a Chinese character as six bytes, and lets
States.ALL catch the error. SQS takes 1 MiB since August 2025. The limit here is the earlier one, which queues may still
have; our messages are far smaller.
"""

import functools
import json
from typing import Any

from local.aws import replace

MAX_BYTES = 256 * 1024


def size_of(value: Any) -> int:
    """Return the bytes that Step Functions counts: compact JSON in UTF-8."""
    text = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    )
    return len(text.encode())


def fits(value: Any) -> bool:
    return size_of(value) <= MAX_BYTES


@functools.cache
def enforce() -> None:
    """Make this process's moto refuse what AWS refuses."""
    _enforce_states()
    _enforce_catches()
    _enforce_messages()


def _enforce_states() -> None:
    from moto.stepfunctions.parser.asl.component.state import state
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_lambda
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service

    def entered(self: Any, env: Any) -> None:
        verify(self, env, env.states.get_input())
        enter(self, env)

    def mapped(self: Any, env: Any) -> None:
        run_map(self, env)
        verify(self, env, env.stack[-1])

    def called(self: Any, env: Any, **parts: Any) -> None:
        self._verify_size_quota(env, parts["raw_parameters"])
        call(self, env, **parts)

    for module in (state, state_task_lambda, state_task_service):
        replace(module, "is_within_size_quota", fits)
    verify = state.CommonStateField._verify_size_quota
    enter = replace(state.CommonStateField, "_eval_state_input", entered)
    run_map = replace(StateMap, "_eval_execution", mapped)
    call = replace(state_task_service.StateTaskService, "_before_eval_execution", called)


def _enforce_catches() -> None:
    from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl

    def matches(self: Any, env: Any) -> None:
        terminal = env.stack[-1].error_name == "States.DataLimitExceeded"
        match(self, env)
        if terminal:
            env.stack[-1] = False

    match = replace(ErrorEqualsDecl, "_eval_body", matches)


def _enforce_messages() -> None:
    from moto.sqs import models
    from moto.sqs.exceptions import BatchRequestTooLong, InvalidParameterValue

    def validated(self: Any, queue: Any, message_body: str, *others: Any, **named: Any) -> None:
        if not fits(message_body):
            raise InvalidParameterValue(
                f"One or more parameters are invalid. Reason: Message must be shorter than {MAX_BYTES} bytes."
            )
        validate(self, queue, message_body, *others, **named)

    def sent(self: Any, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        if (size := sum(size_of(entry["MessageBody"]) for entry in entries.values())) > MAX_BYTES:
            raise BatchRequestTooLong(size)
        return send(self, queue_name, entries)

    validate = replace(models.SQSBackend, "_validate_message", validated)
    send = replace(models.SQSBackend, "send_message_batch", sent)
