"""The template's parameters on this machine: the stand-ins' addresses, and secrets in the local Secrets Manager."""

import json
from typing import Any

from local.deployment import store_secrets
from local.issuer import AUDIENCE, Issuer
from local.options import ACCESS_KEY, CURSOR_KEY, LLM_KEY, Options
from local.providers.models import PERSONAS, Persona


def parameters(options: Options, issuer: Issuer, database: dict[str, Any]) -> dict[str, str]:
    """Store the secrets and return every parameter that has no default, and those the options choose."""
    secrets = {
        "database": json.dumps(database),
        "llm": LLM_KEY,
        "outbound": json.dumps(ACCESS_KEY),
        "cursors": CURSOR_KEY,
        **{f"llm/{persona.name}": persona.key(LLM_KEY) for persona in PERSONAS},
    }
    arns = store_secrets(options.aws_url, secrets)
    providers = options.provider_url.removeprefix("http://")
    return {
        "AiModels": json.dumps([_model(persona, options, arns[f"llm/{persona.name}"]) for persona in PERSONAS]),
        "AiSecretArns": ",".join(arns[f"llm/{persona.name}"] for persona in PERSONAS),
        "CursorSecretArn": arns["cursors"],
        "DatabaseSecretArn": arns["database"],
        "DatabaseTls": "off",
        "JwtAudience": AUDIENCE,
        "JwtIssuer": issuer.url,
        "LlmBaseUrl": f"{options.provider_url}/v1",
        "LlmModel": "local",
        "LlmSecretArn": arns["llm"],
        "OutboundEndpoint": providers,
        "OutboundInstanceId": "local",
        "OutboundProtocol": "http",
        "OutboundSecretArn": arns["outbound"],
        "RecordingHosts": providers,
        # One person tries, shows and measures things here: what would be a flood elsewhere is their afternoon.
        "WritesPerMinute": "60000",
        "BulkPerMinute": "6000",
        **options.parameters,
    }


def _model(persona: Persona, options: Options, secret_arn: str) -> dict[str, Any]:
    """As a line of AiModels; the prices are made up, in yuan for a million tokens."""
    return {
        "name": persona.name,
        "base_url": f"{options.provider_url}/models/{persona.name}/v1",
        "model": persona.model,
        "secret_arn": secret_arn,
        "prompt_price": persona.prompt_price,
        "completion_price": persona.completion_price,
        "max_concurrent": persona.max_concurrent,
    }
