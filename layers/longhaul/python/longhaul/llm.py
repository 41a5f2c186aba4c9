"""An LLM asked for JSON of a given shape, over OpenAI's chat-completions protocol.

    cities = llm.ask(prompt, CitiesAnswer, system="...").cities

What is asked for is a Pydantic model; its JSON schema goes with the request and the answer is validated by it. Requests
that are throttled or fail are tried again, at most four in all. An answer that breaks the schema is sent back once with
the complaint.
"""

import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, NamedTuple

import urllib3
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ValidationError

from longhaul import aws, settings
from longhaul.breaker import Circuit
from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable, TransientError
from longhaul.observability import logger, metrics

TRIES = 4  # requests for one question, the repair among them
CONNECT_SECONDS = 5.0
FIRST_WAIT, LONGEST_WAIT = 0.5, 20.0  # seconds; a provider that asks for longer is left to the workflow's retries
COMPLAINTS = 10

type Message = dict[str, str]


class Reply(NamedTuple):
    """The text of an answer, and how many requests it took."""

    content: str
    requests: int


class Client:
    """One model behind one kept-alive pool. `read_key` is called on first use, and again when the key is refused."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        read_key: Callable[[], str],
        read_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._read_key = read_key
        self._key: str | None = None
        self._sleep = sleep
        self._jitter = jitter
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds), retries=False, maxsize=4
        )

    def ask[Answer: BaseModel](self, prompt: str, answer: type[Answer], *, system: str = "") -> Answer:
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": prompt})
        first = self._complete(messages, answer, tries=TRIES)
        try:
            return answer.model_validate_json(first.content)
        except ValidationError as error:
            logger.warning("answer breaks its schema, asking again", extra={"answer": answer.__name__})
            repair = f"你的回答不符合要求的 JSON 格式，请改正后重新输出完整的 JSON。问题：\n{_complaint(error)}"
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": repair}]
        second = self._complete(messages, answer, tries=max(1, TRIES - first.requests))
        try:
            return answer.model_validate_json(second.content)
        except ValidationError as error:
            raise BadAnswer(f"the model's answer is not a {answer.__name__}: {_complaint(error)}") from error

    def _complete(self, messages: list[Message], answer: type[BaseModel], *, tries: int) -> Reply:
        schema = {"name": answer.__name__, "schema": answer.model_json_schema(), "strict": True}
        request = {
            "model": self._model,
            "messages": messages,
            "response_format": {"type": "json_schema", "json_schema": schema},
            "temperature": 0,
        }
        body = json.dumps(request, ensure_ascii=False).encode()
        for attempt in range(1, tries + 1):
            try:
                return Reply(self._request(body), attempt)
            except TransientError as error:
                wait = max(error.retry_after or 0.0, FIRST_WAIT * 2 ** (attempt - 1) * self._jitter())
                if attempt == tries or wait > LONGEST_WAIT:
                    raise
                logger.warning("asking the model again", extra={"reason": error.code, "wait": round(wait, 3)})
                self._sleep(wait)
        raise AssertionError("unreachable")

    def _request(self, body: bytes) -> str:
        started = time.perf_counter()
        response = self._post(body)
        if response.status in (401, 403):  # the key was rotated, perhaps
            self._key = None
            response = self._post(body)
        if response.status != 200:
            raise _refusal(response)
        try:
            envelope = json.loads(response.data)
            content = str(envelope["choices"][0]["message"]["content"])
            usage = envelope.get("usage") or {}
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ProviderUnavailable("the model's answer is not a chat completion") from error
        _record(usage, time.perf_counter() - started)
        return content

    def _post(self, body: bytes) -> urllib3.BaseHTTPResponse:
        if self._key is None:
            self._key = self._read_key()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            return self._pool.request("POST", self._url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"the model does not answer: {type(error).__name__}") from error


def ask[Answer: BaseModel](prompt: str, answer: type[Answer], *, system: str = "") -> Answer:
    """What the model says, as an `answer`.

    Raises ProviderThrottled or ProviderUnavailable when the model could not be asked (try later), BadAnswer when it
    refused the request or broke the schema, also when told. A model that keeps failing is left alone for a while:
    ProviderUnavailable at once.
    """
    circuit = _circuit(settings.of(settings.Llm))
    return circuit.call(lambda: _client().ask(prompt, answer, system=system))


@cache
def _circuit(values: settings.Llm) -> Circuit:
    endpoint = urllib3.util.parse_url(values.llm_base_url).netloc
    return Circuit(f"llm:{values.llm_model}@{endpoint}", table=values.breaker_table)


@cache
def _client() -> Client:
    values = settings.of(settings.Llm)
    return Client(
        base_url=values.llm_base_url,
        model=values.llm_model,
        read_key=lambda: _secret(values.llm_secret_arn),
        read_seconds=values.llm_timeout_seconds,
    )


def _secret(arn: str) -> str:
    try:
        return aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except aws.errors() as error:
        raise ProviderUnavailable("the model's key cannot be read") from error


def _refusal(response: urllib3.BaseHTTPResponse) -> TransientError | BadAnswer:
    status, retry_after = response.status, _seconds(response.headers.get("Retry-After"))
    if status == 429:
        return ProviderThrottled("the model asks us to slow down", retry_after=retry_after)
    if status == 408 or status >= 500:
        return ProviderUnavailable(f"the model answered {status}", retry_after=retry_after)
    return BadAnswer(f"the model refused the request with {status}")


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After comes as seconds or as a date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _record(usage: dict[str, Any], seconds: float) -> None:
    tokens = {name: int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")}
    logger.info("the model answered", extra={"seconds": round(seconds, 3), **tokens})
    metrics.add_metric("LlmSeconds", MetricUnit.Seconds, seconds)
    metrics.add_metric("LlmPromptTokens", MetricUnit.Count, tokens["prompt_tokens"])
    metrics.add_metric("LlmCompletionTokens", MetricUnit.Count, tokens["completion_tokens"])


def _complaint(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)[:COMPLAINTS]
    return "\n".join(f"{'/'.join(map(str, problem['loc'])) or 'JSON'}: {problem['msg']}" for problem in problems)
