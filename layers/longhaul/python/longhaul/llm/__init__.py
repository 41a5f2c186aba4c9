"""Language models, over OpenAI's chat-completions protocol: asked for JSON of a given shape, or for text.

    cities = llm.ask(prompt, CitiesAnswer, system="...").cities

    model = llm.model_named("deepseek")
    reply = llm.consult(model, prompt, Extraction)
    reply.answer, reply.usage.cost

What is asked for is a Pydantic model; its JSON schema goes with the request and the answer is validated by it. Requests
that are throttled or fail are tried again, at most four in all. An answer that breaks the schema is sent back once with
the complaint. Neither key, prompt nor answer is ever logged.

All raise ProviderThrottled or ProviderUnavailable when the model could not be asked (try later), BadAnswer when it
refused the request or broke the schema, also when told. A model that keeps failing is left alone for a while:
ProviderUnavailable at once.

`ask` asks the deployment's one model behind a circuit (`longhaul.breaker`). `consult` and `chat` ask the model that is
given, each request with one of its slots (`longhaul.slots`), which count its failures over all environments; an error
of theirs tells by `spent(error)` what was paid before it.
"""

import re
from datetime import datetime
from functools import cache, partial

import urllib3
from pydantic import BaseModel

from longhaul import aws, settings, slots
from longhaul.breaker import Circuit
from longhaul.errors import InvalidRequest, ProviderUnavailable
from longhaul.llm.client import Client
from longhaul.llm.usage import Reply, Usage, spent
from longhaul.llm.wire import CONNECT_SECONDS
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
    "model_named",
    "models",
    "open_until",
    "spent",
]

MARGIN_SECONDS = 5.0  # what a request may take beside connecting and waiting for the answer


class UnknownModel(InvalidRequest):
    """There is no such language model."""

    code = "unknown_model"


def ask[Answer: BaseModel](prompt: str, answer: type[Answer], *, system: str = "") -> Answer:
    """What the deployment's model says, as an `answer`."""
    model = default_model()
    circuit = _circuit(_place(model), settings.of(settings.Llm).breaker_table)
    return circuit.call(lambda: _client(model).consult(prompt, answer, system=system)).answer


def consult[Answer: BaseModel](
    model: Model, prompt: str, answer: type[Answer], *, system: str = "", most_tokens: int | None = None
) -> Reply[Answer]:
    """What this model says, as an `answer` of `most_tokens` at most, and what it took."""
    return _slotted(model).consult(prompt, answer, system=system, most_tokens=most_tokens)


def chat(model: Model, prompt: str, *, system: str = "", most_tokens: int | None = None) -> Reply[str]:
    """What this model says, in free text of `most_tokens` at most, and what it took. BadAnswer for 1 MB and more."""
    return _slotted(model).chat(prompt, system=system, most_tokens=most_tokens)


def open_until(model: Model) -> datetime | None:
    """Until when `consult` and `chat` would leave the model alone; None when it may be asked. One read, no request."""
    return slots.left_alone_until(_place(model))


def models() -> list[Model]:
    """Those that may be asked by name: AI_MODELS, or the deployment's one."""
    return settings.of(settings.Models).ai_models or [default_model()]


def model_named(name: str) -> Model:
    """Raises UnknownModel, naming those there are."""
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
    )


@cache
def _circuit(name: str, table: str) -> Circuit:
    return Circuit(name, table=table)


@cache
def _client(model: Model) -> Client:
    return Client(model, read_key=lambda: _secret(model.secret_arn), read_seconds=_read_seconds())


@cache
def _slotted(model: Model) -> Client:
    lease = CONNECT_SECONDS + 2 * _read_seconds() + MARGIN_SECONDS
    slot = partial(slots.held, _place(model), model.max_concurrent, lease)
    return Client(model, read_key=lambda: _secret(model.secret_arn), read_seconds=_read_seconds(), slot=slot)


def _read_seconds() -> float:
    seconds: float = settings.of(settings.Llm).llm_timeout_seconds
    return seconds


def _place(model: Model) -> str:
    return f"llm:{model.model}@{urllib3.util.parse_url(model.base_url).netloc}"


def _secret(arn: str) -> str:
    try:
        return aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except aws.errors() as error:
        raise ProviderUnavailable("the model's key cannot be read") from error
