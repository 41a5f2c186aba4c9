"""The LLM stand-in as it is served locally, in a thread of the test's process; and the directory over HTTP."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest

from longhaul import llm, settings
from tests.calling import Context
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


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@pytest.fixture
def get(database: dict[str, Any]) -> Callable[..., Answer]:
    """Reads the directory as a caller of a tenant with these scopes does."""
    from hospitals.serve_hospitals import handler

    def send(
        path: str,
        headers: dict[str, str] | None = None,
        scope: str = "directory:read",
        tenant: str = "acme",
        **query: str,
    ) -> Answer:
        event = {
            "version": "2.0",
            "routeKey": f"GET {path}",
            "rawPath": path,
            "rawQueryString": urlencode(query),
            "headers": headers or {},
            "queryStringParameters": query,
            "requestContext": {
                "http": {"method": "GET", "path": path},
                "requestId": "r",
                "stage": "$default",
                "authorizer": {"jwt": {"claims": {"sub": "ada", "scope": scope, "tenant_id": tenant}}},
            },
            "isBase64Encoded": False,
        }
        result = handler(event, Context())
        return Answer(result["statusCode"], result["headers"], json.loads(result["body"] or "null"))

    return send
