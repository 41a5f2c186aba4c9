"""The LLM stand-in as it is served locally, in a thread of the test's process, spoken to over HTTP."""

import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from longhaul import llm, settings
from tests.chatting import API_KEY, StandIn


@pytest.fixture
def model(database: dict[str, Any], stand_in: StandIn) -> Iterator[StandIn]:
    """The functions' environment with the stand-in as its model."""
    name = f"llm-{os.urandom(4).hex()}"  # the model's too: a circuit remembers failures under its name
    secret = boto3.client("secretsmanager").create_secret(Name=name, SecretString=API_KEY)
    os.environ.update(
        LLM_BASE_URL=stand_in.base_url,
        LLM_MODEL=name,
        LLM_SECRET_ARN=secret["ARN"],
        LLM_TIMEOUT_SECONDS="5",
        LLM_RESPONSE_FORMAT="auto",
        MAX_DISTRICTS_IN_FLIGHT="3",
        HOSPITALS_BATCH_SIZE="10",
    )
    settings.of.cache_clear()
    llm._client.cache_clear()
    yield stand_in
    llm._client.cache_clear()
