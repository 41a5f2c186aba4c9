"""The language models' stand-in, served in a thread of the test's process, and four of its models by name."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from longhaul import settings
from longhaul.aws import dynamodb
from longhaul.llm.client import Client
from longhaul.observability import metrics
from tests.chatting import StandIn, ai_models


@pytest.fixture
def configure(
    environment: dict[str, Any], stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """configure(...): the functions' environment with the stand-in's models, as `chatting.ai_models` gives them."""

    def set_models(*args: Any, **changes: Any) -> None:
        monkeypatch.setenv("AI_MODELS", ai_models(stand_in, *args, **changes))
        settings.of.cache_clear()

    monkeypatch.setenv("LLM_BASE_URL", stand_in.base_url)
    monkeypatch.setenv("LLM_MODEL", f"own/{os.urandom(4).hex()}")
    monkeypatch.setenv("LLM_SECRET_ARN", "arn:of:own")
    monkeypatch.setenv("LLM_TIMEOUT_SECONDS", "5")
    monkeypatch.setenv("LLM_RESPONSE_FORMAT", "auto")
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "sleep", lambda seconds: None)
    monkeypatch.setattr(dynamodb._Memory, "rests", {})
    metrics.clear_metrics()
    yield set_models
    metrics.clear_metrics()
    settings.of.cache_clear()


@pytest.fixture
def models(configure: Callable[..., None], stand_in: StandIn) -> StandIn:
    """The stand-in behind all four models."""
    configure()
    return stand_in
