"""The stand-in for the language models, as the tests speak to it and as the functions find it in their environment."""

import json
import secrets
from collections.abc import Iterable
from typing import Any

import boto3

from local.providers.llm.models import BY_NAME
from tests import serving

API_KEY = "a-key-of-the-tests"


class StandIn(serving.StandIn):
    """The language models, which answer at once unless they are told to be slow."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def control(self, **controls: Any) -> None:
        super().control(**{"latency_ms": 0, **controls})


def question(**asked: Any) -> str:
    """A prompt with nothing but its machine-readable line."""
    return json.dumps(asked, ensure_ascii=False)


def ai_models(stand_in: StandIn, names: Iterable[str] = BY_NAME, **changes: Any) -> str:
    """These personas as AI_MODELS, with secrets of their own. What is known of them is known under names of the test's.

    `changes` replaces fields of all of them: `max_concurrent=2`.
    """
    return json.dumps([_ai_model(stand_in, name) | changes for name in names])


def _ai_model(stand_in: StandIn, name: str) -> dict[str, Any]:
    persona, marked = BY_NAME[name], secrets.token_hex(4)
    secret = boto3.client("secretsmanager").create_secret(Name=f"{name}-{marked}", SecretString=persona.key(API_KEY))
    return {
        "name": name,
        "base_url": f"{stand_in.url}/models/{name}/v1",
        "model": f"{persona.model}-{marked}",  # a row of failures is remembered under it
        "secret_arn": secret["ARN"],
        "prompt_price": persona.prompt_price,
        "completion_price": persona.completion_price,
        "max_concurrent": persona.max_concurrent,
    }
