"""What the local stack tells its functions of the models: a list that they take, and keys that the stand-in takes."""

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from local.options import LLM_KEY, Options
from local.providers.llm.models import PERSONAS
from local.template.parameters import parameters, secrets
from longhaul import llm, settings


def test_the_local_models_are_those_of_the_stand_in(
    environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(environment["endpoint"]).port
    assert port is not None
    manager = boto3.client("secretsmanager")
    texts = secrets({})
    arns = {name: manager.create_secret(Name=f"of-{name}", SecretString=texts[name])["ARN"] for name in texts}
    told = parameters(Options(port=port - 1), "http://issuer", arns)
    monkeypatch.setenv("AI_MODELS", told["AiModels"])
    monkeypatch.setenv("LLM_BASE_URL", told["LlmBaseUrl"])
    monkeypatch.setenv("LLM_MODEL", told["LlmModel"])
    monkeypatch.setenv("LLM_SECRET_ARN", told["LlmSecretArn"])
    monkeypatch.setenv("LLM_TIMEOUT_SECONDS", "5")
    monkeypatch.setenv("LLM_RESPONSE_FORMAT", "auto")
    settings.of.cache_clear()
    models = llm.models()
    assert [model.name for model in models] == [persona.name for persona in PERSONAS]
    assert told["AiSecretArns"].split(",") == [model.secret_arn for model in models]
    for model, persona in zip(models, PERSONAS, strict=True):
        secret = manager.get_secret_value(SecretId=model.secret_arn)["SecretString"]
        assert secret == persona.key(LLM_KEY)
        assert model.prompt_price > 0
    settings.of.cache_clear()
