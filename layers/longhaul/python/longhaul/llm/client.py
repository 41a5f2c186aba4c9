"""Consults one model: a passing failure is retried, an unusable answer is sent back once with the complaint."""

import json
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from pydantic import BaseModel

from longhaul import lifetime
from longhaul.aws.semaphore import WAIT_SECONDS
from longhaul.errors import LonghaulError, OutOfTime, TransientError
from longhaul.llm import parsing
from longhaul.llm.dialects import Dialect, Dialects
from longhaul.llm.endpoint import CONNECT_SECONDS, Completion, Endpoint, Garbled, Refused
from longhaul.llm.parsing import Unusable
from longhaul.llm.usage import Meter, Reply, charge
from longhaul.observability import logger
from longhaul.settings import Model

MAX_REQUESTS = 4  # of one consultation, the repair included; a request whose form was refused does not count
FIRST_WAIT, MAX_WAIT = 0.5, 20.0  # seconds; a provider that asks for longer is left to the workflow's retries
MARGIN_SECONDS = 5.0  # of a request, beside connecting and waiting for the answer

type Message = dict[str, str]


class Form(NamedTuple):
    """The form of an answer: JSON of a Pydantic model, or text when None; and its limit of tokens."""

    answer: type[BaseModel] | None
    max_tokens: int


def max_request_seconds(read_seconds: float) -> float:
    """The seconds that one request may take, with the wait for a slot. No request begins with fewer left."""
    return WAIT_SECONDS + CONNECT_SECONDS + read_seconds + MARGIN_SECONDS


def schema_words(answer: type[BaseModel]) -> str:
    """The schema as a part of the prompt, for endpoints that take none beside it."""
    schema = json.dumps(answer.model_json_schema(), ensure_ascii=False)
    return f"Answer with one JSON object and with no other text. It must satisfy this JSON Schema:\n{schema}"


class Client:
    """One model. `slot` is entered for each request; what it raises is not retried here."""

    def __init__(
        self,
        model: Model,
        *,
        read_key: Callable[[], str],
        read_seconds: float,
        dialects: Dialects | None = None,
        slot: Callable[[], AbstractContextManager[None]] = nullcontext,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._model = model
        self._endpoint = Endpoint(model, read_key=read_key, read_seconds=read_seconds)
        self._max_request_seconds = max_request_seconds(read_seconds)
        self._dialects = dialects or Dialects()
        self._slot = slot
        self._sleep = sleep
        self._jitter = jitter

    def consult[Answer: BaseModel](
        self, prompt: str, answer: type[Answer], *, system: str = "", max_tokens: int
    ) -> Reply[Answer]:
        """An answer that keeps the schema, perhaps after a complaint. `spent(error)` is the usage before an error."""
        meter, messages = Meter(self._model), _messages(prompt, system)
        form = Form(answer, max_tokens)
        try:
            try:
                return Reply(parsing.read(self._complete(messages, form, meter), answer), meter.usage())
            except Unusable as first:
                if not first.complaint:
                    raise
                logger.warning("unusable answer, sent back", extra={"model": self._model.name, "reason": first.reason})
                repair = [
                    {"role": "assistant", "content": first.sent_back},
                    {"role": "user", "content": first.complaint},
                ]
            return Reply(parsing.read(self._complete(messages + repair, form, meter), answer), meter.usage())
        except Unusable as unusable:
            # Not `from unusable`: its context quotes the answer, and the log would show it.
            raise charge(unusable.error(), meter.usage()) from None
        except LonghaulError as error:
            charge(error, meter.usage())
            raise

    def chat(self, prompt: str, *, system: str = "", max_tokens: int) -> Reply[str]:
        """An answer in free text. BadAnswer when it is empty or cut. `spent(error)` is the usage before an error."""
        meter = Meter(self._model)
        try:
            completion = self._complete(_messages(prompt, system), Form(None, max_tokens), meter)
            return Reply(parsing.read_text(completion), meter.usage())
        except Unusable as unusable:
            raise charge(unusable.error(), meter.usage()) from None
        except LonghaulError as error:
            charge(error, meter.usage())
            raise

    def check_time(self) -> None:
        """Raises OutOfTime unless a request begun now ends before the function's call does."""
        if (left := lifetime.seconds_left()) < self._max_request_seconds:
            most = f"{self._max_request_seconds:g} s"
            raise OutOfTime(f"{self._model.name} may take {most} to answer, and {left:.0f} s are left")

    def close(self) -> None:
        self._endpoint.close()

    def _complete(self, messages: list[Message], form: Form, meter: Meter) -> Completion:
        known = dialect = self._dialects.recall()
        failed = 0
        while True:
            self.check_time()
            entered = False
            try:
                with self._slot():
                    entered = True
                    completion = self._send(self._request(messages, form, dialect), messages, meter)
            except Refused as refused:
                fixed = form.answer is None or self._dialects.fixed
                weaker = dialect.without_refused(refused.text, fixed_format=fixed)
                if weaker is None:
                    raise
                meter.forms_refused += 1
                dialect = weaker
                continue
            except (TransientError, Garbled) as error:
                failed += 1
                wait = FIRST_WAIT * 2 ** (failed - 1) * self._jitter()
                if isinstance(error, TransientError):
                    # Added to the provider's own wait: callers with the same Retry-After come back one by one.
                    wait += error.retry_after or 0.0
                elif meter.garbled > 1:
                    raise
                done = meter.requests - meter.forms_refused >= MAX_REQUESTS
                late = wait + self._max_request_seconds > lifetime.seconds_left()
                if not entered or done or late or wait > MAX_WAIT:
                    raise
                self._sleep(wait)
                continue
            if dialect != known:
                self._dialects.keep(known, dialect)
            return completion

    def _send(self, request: dict[str, Any], messages: list[Message], meter: Meter) -> Completion:
        started = time.perf_counter()
        try:
            completion = self._endpoint.complete(json.dumps(request, ensure_ascii=False).encode("utf-8", "replace"))
        except LonghaulError as error:
            meter.garbled += isinstance(error, Garbled)
            meter.failed(time.perf_counter() - started, error.code)
            raise
        prompt_characters = sum(len(message["content"]) for message in messages)
        seconds = time.perf_counter() - started
        meter.answered(seconds, completion.usage, prompt_characters, len(completion.content))
        return completion

    def _request(self, messages: list[Message], form: Form, dialect: Dialect) -> dict[str, Any]:
        request: dict[str, Any] = {"model": self._model.model, "messages": messages, dialect.limit: form.max_tokens}
        if dialect.temperature:
            request["temperature"] = 0
        if form.answer is None:
            return request
        if dialect.response_format == "json_schema":
            schema = {"name": form.answer.__name__, "schema": form.answer.model_json_schema(), "strict": True}
            return request | {"response_format": {"type": "json_schema", "json_schema": schema}}
        request["messages"] = _with_schema(messages, form.answer)
        if dialect.response_format == "json_object":
            request["response_format"] = {"type": "json_object"}
        return request


def _messages(prompt: str, system: str) -> list[Message]:
    messages = [{"role": "system", "content": system}] if system else []
    return [*messages, {"role": "user", "content": prompt}]


def _with_schema(messages: list[Message], answer: type[BaseModel]) -> list[Message]:
    """The schema goes into the system's message: the material in the prompt has no voice there."""
    first, *rest = messages
    words = schema_words(answer)
    if first["role"] != "system":
        return [{"role": "system", "content": words}, first, *rest]
    return [{"role": "system", "content": f"{first['content']}\n{words}"}, *rest]
