"""Language models over OpenAI's chat-completions protocol. They answer with JSON of a given shape, or with text.

    cities = llm.ask(prompt, CitiesAnswer, system="...").cities

    model = llm.model_named("deepseek")
    reply = llm.consult(model, prompt, Reading, max_tokens=1_024)
    reply.answer, reply.usage.cost

The answer's type is a Pydantic model. Its JSON schema goes with the request, in the form that the endpoint takes
(`longhaul.llm.dialects`), and validates the answer. A request that is throttled or fails is tried again, four requests
at most in all. An answer that breaks the schema is sent back once with the complaint; so is one that is cut at its
limit of tokens. Neither key, prompt nor answer is ever logged.

All raise

- ProviderThrottled, ProviderUnavailable: the model could not be reached; try later. A model that keeps failing is left
  alone for a while: then the second at once.
- OutOfTime: the function's call would end before the answer; the next call goes on.
- BadAnswer: the model refused the request, or broke the schema twice. AnswerCut: it was cut twice.

`ask` uses the deployment's one model and takes a slot of its semaphore for a whole consultation; `consult` and `chat`
use the model that is given and take a slot for each request. The semaphore (`longhaul.aws.semaphore`) counts failures
over all environments. `spent(error)` is the
usage before an error.
"""

import re
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from functools import cache, partial

import urllib3
from pydantic import BaseModel

from longhaul import aws, settings
from longhaul.aws import semaphore
from longhaul.errors import InvalidRequest, ProviderUnavailable
from longhaul.llm.client import MAX_REQUESTS, Client, max_request_seconds, schema_words
from longhaul.llm.dialects import SharedDialects
from longhaul.llm.usage import Reply, Usage, cost_of, spent
from longhaul.settings import Model

__all__ = [
    "Model",
    "Reply",
    "UnknownModel",
    "Usage",
    "ask",
    "chat",
    "consult",
    "default_model",
    "max_request_seconds",
    "model_named",
    "models",
    "open_until",
    "request_seconds",
    "schema_words",
    "spent",
    "worst_case",
]


REPAIR_TOKENS = 1_000  # more than the complaint about an answer that breaks its schema


class UnknownModel(InvalidRequest):
    """There is no such language model."""

    code = "unknown_model"


def ask[Answer: BaseModel](prompt: str, answer: type[Answer], *, system: str = "", max_tokens: int) -> Answer:
    """The answer of the deployment's model, of `max_tokens` tokens at most."""
    model = default_model()
    client, seconds = _client(model, slotted=False), MAX_REQUESTS * request_seconds()
    client.check_time()  # before: a call that ends says nothing about the provider
    with semaphore.held(_name_at_endpoint(model), model.max_concurrent, seconds):
        return client.consult(prompt, answer, system=system, max_tokens=max_tokens).answer


def consult[Answer: BaseModel](
    model: Model, prompt: str, answer: type[Answer], *, system: str = "", max_tokens: int
) -> Reply[Answer]:
    """The model's answer, of `max_tokens` tokens at most, and its usage."""
    return _client(model).consult(prompt, answer, system=system, max_tokens=max_tokens)


def chat(model: Model, prompt: str, *, system: str = "", max_tokens: int) -> Reply[str]:
    """The model's answer in free text, of `max_tokens` tokens at most, and its usage. BadAnswer for 1 MB and more."""
    return _client(model).chat(prompt, system=system, max_tokens=max_tokens)


def worst_case[Answer: BaseModel](
    model: Model, prompt: str, answer: type[Answer], *, system: str = "", max_tokens: int
) -> tuple[int, Decimal]:
    """The most tokens that `consult` may take, and what they cost: with the schema in the prompt, and with the repair.

    A token is one byte at least, so there are no more of them than bytes. The prompt of a repair repeats the first one
    and the answer that was wrong.
    """
    once = len((system + schema_words(answer) + prompt).encode("utf-8", "replace"))
    prompt_tokens, completion_tokens = 2 * once + max_tokens + REPAIR_TOKENS, 2 * max_tokens
    return prompt_tokens + completion_tokens, cost_of(model, prompt_tokens, completion_tokens)


def open_until(model: Model) -> datetime | None:
    """The end of the pause in which `consult` and `chat` raise at once; None outside one. One read, no request."""
    return semaphore.left_alone_until(_name_at_endpoint(model))


def request_seconds() -> float:
    """The seconds that one request may take. No request begins with fewer left of the function's call."""
    return max_request_seconds(_read_seconds())


def models() -> list[Model]:
    """The models with a name: AI_MODELS, or the deployment's one."""
    return settings.of(settings.Models).ai_models or [default_model()]


def model_named(name: str) -> Model:
    """Raises UnknownModel, which lists the known names."""
    known = {model.name: model for model in models()}
    if name not in known:
        raise UnknownModel(f"There is no model {name!r}; there are: {', '.join(known)}.")
    return known[name]


def default_model() -> Model:
    """The deployment's one model (LLM_MODEL), without a price; its name is the endpoint's, odd characters left out."""
    values = settings.of(settings.Llm)
    return Model(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", values.llm_model).strip("-._")[:64] or "default",
        base_url=values.llm_base_url,
        model=values.llm_model,
        secret_arn=values.llm_secret_arn,
        response_format=values.llm_response_format,
        max_concurrent=100,  # its callers are limited by their lane and their state machine
    )


@cache
def _client(model: Model, *, slotted: bool = True) -> Client:
    """The model's client; `slotted`: each of its requests takes a slot."""
    name = _name_at_endpoint(model)
    slot = partial(semaphore.held, name, model.max_concurrent, request_seconds())
    return Client(
        model,
        read_key=lambda: _secret(model.secret_arn),
        read_seconds=_read_seconds(),
        dialects=SharedDialects(name, None if model.response_format == "auto" else model.response_format),
        slot=slot if slotted else nullcontext,
    )


def _read_seconds() -> float:
    seconds: float = settings.of(settings.Llm).llm_timeout_seconds
    return seconds


def _name_at_endpoint(model: Model) -> str:
    """Two names of one model share its limits: they are the endpoint's, not the caller's."""
    return f"llm:{model.model}@{urllib3.util.parse_url(model.base_url).netloc}"


def _secret(arn: str) -> str:
    try:
        return aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except aws.errors() as error:
        raise ProviderUnavailable("the model's key cannot be read") from error
