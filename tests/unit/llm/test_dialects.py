"""Which refusals mean that a part of the request is not taken, and which do not."""

import json

import pytest

from local.providers.llm.refusals import FORMAT, OTHERS
from longhaul.llm.dialects import Dialect

WHOLE = Dialect()
REFUSALS = [
    *(body if isinstance(body, str) else json.dumps(body) for _, body in FORMAT.values()),
    "json_object response format is not supported for model: stepfun-ai/Step-3.5-Flash",
    "Json mode response is not supported when enable_thinking is true",
    "invalid schema for response format: response_format/json_schema/next_step: minItems is not supported",
    "JSON schema conversion failed:\nUnrecognized schema: {}",
    "Failed to initialize samplers: failed to parse grammar",
    "<400> InternalError.Algo.InvalidParameter: 'messages' must contain the word 'json' in some form, to use "
    "'response_format' of type 'json_object'.",
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_form_that_is_refused_is_weakened_twice_at_most(refusal: str) -> None:
    weaker = WHOLE.without_refused(refusal)
    assert weaker == Dialect("json_object")
    weakest = weaker.without_refused(refusal)
    assert weakest == Dialect("none")
    assert weakest.without_refused(refusal) is None
    assert WHOLE.without_refused(refusal, fixed_format=True) is None


def test_other_parts_are_left_out_or_renamed_once() -> None:
    assert WHOLE.without_refused(OTHERS["temperature"]) == Dialect(temperature=False)
    assert Dialect(temperature=False).without_refused(OTHERS["temperature"]) is None
    renamed = WHOLE.without_refused(OTHERS["max_tokens"])
    assert renamed == Dialect(limit="max_completion_tokens")
    assert renamed.without_refused(OTHERS["max_tokens"]) is None


@pytest.mark.parametrize(
    "refusal",
    [
        "",
        '{"error": {"message": "Model Not Exist", "type": "invalid_request_error", "param": null}}',
        '{"error": {"message": "Insufficient Balance", "type": "unknown_error", "param": null}}',
        "Input data may contain inappropriate content. (data_inspection_failed)",
        "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "x" * 2_000 + " response_format",  # so far behind stands the request itself
    ],
)
def test_any_other_refusal_is_final(refusal: str) -> None:
    assert WHOLE.without_refused(refusal) is None
