"""Consulting one model: what passes is tried again, an answer that breaks its schema is sent back once."""

import json
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from longhaul.errors import BadAnswer, LonghaulError, TransientError
from longhaul.llm.usage import Meter, Reply, charge
from longhaul.llm.wire import Endpoint
from longhaul.observability import logger
from longhaul.settings import Model

TRIES = 4  # requests of one consultation, the repair among them
FIRST_WAIT, LONGEST_WAIT = 0.5, 20.0  # seconds; a provider that asks for longer is left to the workflow's retries
COMPLAINTS = 10
SHOWN_AGAIN = 20_000  # characters of a wrong answer; all of a very long one would be paid for once more

type Message = dict[str, str]


class Form(NamedTuple):
    """What an answer is to be: a model's JSON or text, and of so many tokens at most."""

    answer: type[BaseModel] | None
    most_tokens: int | None


class Client:
    """One model. `slot` is entered for each request: what it raises is not tried again here."""

    def __init__(
        self,
        model: Model,
        *,
        read_key: Callable[[], str],
        read_seconds: float,
        slot: Callable[[], AbstractContextManager[None]] = nullcontext,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._model = model
        self._endpoint = Endpoint(model, read_key=read_key, read_seconds=read_seconds)
        self._slot = slot
        self._sleep = sleep
        self._jitter = jitter

    def consult[Answer: BaseModel](
        self, prompt: str, answer: type[Answer], *, system: str = "", most_tokens: int | None = None
    ) -> Reply[Answer]:
        """An answer that keeps the schema, perhaps when told. An error says what was `spent`."""
        meter, messages = Meter(self._model), _messages(prompt, system)
        form = Form(answer, most_tokens)
        try:
            first = self._complete(messages, form, meter)
            try:
                return Reply(answer.model_validate_json(first), meter.usage())
            except ValidationError as error:
                logger.warning(
                    "answer breaks its schema, asking again",
                    extra={"model": self._model.name, "answer": answer.__name__, "problems": _problems(error)},
                )
                repair = f"你的回答不符合要求的 JSON 格式，请改正后重新输出完整的 JSON。问题：\n{_complaint(error)}"
            messages += [{"role": "assistant", "content": first[:SHOWN_AGAIN]}, {"role": "user", "content": repair}]
            second = self._complete(messages, form, meter)
            try:
                return Reply(answer.model_validate_json(second), meter.usage())
            except ValidationError as error:
                # Not `from error`: that one quotes the answer, and what is raised is logged.
                raise BadAnswer(f"the model's answer is not a {answer.__name__}: {_problems(error)}") from None
        except LonghaulError as error:
            charge(error, meter.usage())
            raise

    def chat(self, prompt: str, *, system: str = "", most_tokens: int | None = None) -> Reply[str]:
        """An answer in free text. An error says what was `spent`; BadAnswer when the answer is empty."""
        meter = Meter(self._model)
        try:
            answer = self._complete(_messages(prompt, system), Form(None, most_tokens), meter)
            if not answer.strip():
                raise BadAnswer("the model's answer is empty")
        except LonghaulError as error:
            charge(error, meter.usage())
            raise
        return Reply(answer, meter.usage())

    def close(self) -> None:
        self._endpoint.close()

    def _complete(self, messages: list[Message], form: Form, meter: Meter) -> str:
        body = json.dumps(self._request(messages, form), ensure_ascii=False).encode("utf-8", "replace")
        asked = sum(len(message["content"]) for message in messages)
        tried = 0
        while True:
            tried += 1
            entered = False
            try:
                with self._slot():
                    entered = True
                    return self._ask(body, asked, meter)
            except TransientError as error:
                # On top of what the provider asks for: those whom it told the same come back one by one.
                wait = (error.retry_after or 0.0) + FIRST_WAIT * 2 ** (tried - 1) * self._jitter()
                if not entered or meter.requests >= TRIES or wait > LONGEST_WAIT:
                    raise
            self._sleep(wait)

    def _ask(self, body: bytes, asked: int, meter: Meter) -> str:
        started = time.perf_counter()
        try:
            completion = self._endpoint.complete(body)
        except LonghaulError as error:
            meter.failed(time.perf_counter() - started, error.code)
            raise
        meter.answered(time.perf_counter() - started, completion.usage, asked, len(completion.content))
        return completion.content

    def _request(self, messages: list[Message], form: Form) -> dict[str, Any]:
        request: dict[str, Any] = {"model": self._model.model, "messages": messages, "temperature": 0}
        if form.most_tokens is not None:
            request["max_tokens"] = form.most_tokens
        if form.answer is not None:
            schema = {"name": form.answer.__name__, "schema": form.answer.model_json_schema(), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        return request


def _messages(prompt: str, system: str) -> list[Message]:
    messages = [{"role": "system", "content": system}] if system else []
    return [*messages, {"role": "user", "content": prompt}]


def _complaint(error: ValidationError) -> str:
    """For the model, which knows what it said."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)[:COMPLAINTS]
    return "\n".join(f"{'/'.join(map(str, problem['loc'])) or 'JSON'}: {problem['msg']}" for problem in problems)


def _problems(error: ValidationError) -> str:
    """For us: kinds of problems only, as places and messages may quote the answer."""
    return ", ".join(sorted({problem["type"] for problem in error.errors(include_url=False, include_input=False)}))
