"""The template's parameters on this machine: the stand-ins' addresses, and secrets in the local Secrets Manager."""

import json
from typing import Any

from local.deployment import store_secrets
from local.issuer import AUDIENCE, Issuer
from local.options import ACCESS_KEY, CURSOR_KEY, LLM_KEY, Options


def parameters(options: Options, issuer: Issuer, database: dict[str, Any]) -> dict[str, str]:
    """Store the secrets and return every parameter that has no default, and those the options choose."""
    secrets = {
        "database": json.dumps(database),
        "llm": LLM_KEY,
        "outbound": json.dumps(ACCESS_KEY),
        "cursors": CURSOR_KEY,
    }
    arns = store_secrets(options.aws_url, secrets)
    providers = options.provider_url.removeprefix("http://")
    return {
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
