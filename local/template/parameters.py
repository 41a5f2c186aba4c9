"""The template's parameters on this machine: the stand-ins' addresses, and secrets in the local Secrets Manager."""

import json
from collections.abc import Mapping
from typing import Any

from local.gateway.tokens import AUDIENCE
from local.options import ACCESS_KEY, CURSOR_KEY, LLM_KEY, MAIL_FROM, Options
from local.providers.llm.models import PERSONAS, Persona
from local.runtime.pool import CONCURRENCY

WAITS_AT_ONCE = CONCURRENCY * 3 // 5  # requests held open leave processes of each function to the others
WAITS_PER_TENANT = CONCURRENCY * 2 // 5


def secrets(database: dict[str, Any]) -> dict[str, str]:
    """Return the texts of the secrets that the parameters name."""
    return {
        "database": json.dumps(database),
        "llm": LLM_KEY,
        "outbound": json.dumps(ACCESS_KEY),
        "cursors": CURSOR_KEY,
        "dashscope": LLM_KEY,
        **{f"llm/{persona.name}": persona.key(LLM_KEY) for persona in PERSONAS},
    }


def parameters(options: Options, issuer: str, arns: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that have no default, and those that the options choose.

    `issuer` is the URL of the tokens' issuer, `arns` are those of the secrets by name.
    """
    providers = options.provider_url.removeprefix("http://")
    return {
        "AiModels": json.dumps([_model(persona, options, arns[f"llm/{persona.name}"]) for persona in PERSONAS]),
        "AiSecretArns": ",".join(arns[f"llm/{persona.name}"] for persona in PERSONAS),
        "CursorSecretArn": arns["cursors"],
        "DashscopeEndpoint": options.provider_url,
        "DashscopeSecretArn": arns["dashscope"],
        "DatabaseSecretArn": arns["database"],
        "DatabaseTls": "off",
        "JwtAudience": AUDIENCE,
        "JwtIssuer": issuer,
        "LlmBaseUrl": f"{options.provider_url}/v1",
        "LlmModel": "local",
        "LlmSecretArn": arns["llm"],
        "MailFrom": MAIL_FROM,
        "OutboundEndpoint": providers,
        "OutboundInstanceId": "local",
        "OutboundProtocol": "http",
        "OutboundSecretArn": arns["outbound"],
        "PublicUrl": options.url,
        "RecordingHosts": providers,
        "SocketsEndpoint": f"{options.url}/live",
        "VideoHosts": providers,
        "WebhookLoopback": "true",  # the receivers are here
        # One developer tries and measures things here: the cloud's quotas would be in the way.
        "RequestsPerSecond": "10000",
        "RequestBurst": "5000",
        "WritesPerMinute": "60000",
        "BulkPerMinute": "6000",
        "WaitsPerTenant": str(WAITS_PER_TENANT),
        "WaitsAtOnce": str(WAITS_AT_ONCE),
        **options.parameters,
    }


def _model(persona: Persona, options: Options, secret_arn: str) -> dict[str, Any]:
    """Return an item of AiModels. The prices are invented, in yuan for a million tokens."""
    return {
        "name": persona.name,
        "base_url": f"{options.provider_url}/models/{persona.name}/v1",
        "model": persona.model,
        "secret_arn": secret_arn,
        "prompt_price": persona.prompt_price,
        "completion_price": persona.completion_price,
        "max_concurrent": persona.max_concurrent,
    }
