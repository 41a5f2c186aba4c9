"""How endpoints refuse a part of a request: statuses and messages of real ones, from their users' reports."""

from typing import Any

from aiohttp import web

from local.providers.faults import Manner, Part

FORMAT: dict[Manner, tuple[int, Any]] = {
    "deepseek": (
        400,
        {
            "error": {
                "message": "This response_format type is unavailable now",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_request_error",
            }
        },
    ),
    "deepseek_422": (
        422,
        "Failed to deserialize the JSON body into the target type: response_format: response_format.type "
        "`{part}` is unavailable now at line 1 column 1193",
    ),
    "ark": (
        400,
        {
            "error": {
                "code": "InvalidParameter",
                "message": "The parameter `response_format.type` specified in the request are not valid: `{part}` is "
                "not supported by this model",
                "param": "response_format.type",
                "type": "BadRequest",
            }
        },
    ),
    "groq": (
        400,
        {
            "error": {
                "message": "'response_format.type' : value is not one of the allowed values ['text']",
                "type": "invalid_request_error",
            }
        },
    ),
    "lm_studio": (400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}),
    "openai": (
        400,
        {
            "error": {
                "message": "Invalid parameter: 'response_format' of type '{part}' is not supported with this model.",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
    ),
    "siliconflow": (400, {"code": 20024, "message": "Json mode is not supported for this model.", "data": None}),
    "vllm": (
        400,
        {
            "object": "error",
            "message": "The provided JSON schema contains features not supported by xgrammar.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
}
OTHERS: dict[Part, str] = {
    "temperature": "invalid temperature: only 1 is allowed for this model",
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
    "instead.",
}


def refusal(manner: Manner, part: Part) -> web.Response:
    """Return the endpoint's response to a request with this part."""
    if part in OTHERS:
        return web.json_response({"error": {"message": OTHERS[part], "type": "invalid_request_error"}}, status=400)
    status, body = FORMAT[manner]
    if isinstance(body, str):
        return web.Response(text=body.replace("{part}", part), status=status)
    return web.json_response(_filled(body, part), status=status)


def _filled(body: Any, part: str) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, part) for name, value in body.items()}
    return body.replace("{part}", part) if isinstance(body, str) else body
