"""Why something failed, read from what Step Functions says of it."""

import json

import pytest

from longhaul.errors import is_transient
from longhaul.tasks.model import TaskError


@pytest.mark.parametrize(
    ("error", "cause", "code", "message"),
    [
        ("TooManyFailures", json.dumps({"errorMessage": "9 of 20"}), "too_many_failures", "9 of 20"),
        ("ProviderThrottled", json.dumps({"errorType": "ProviderThrottled"}), "provider_throttled", None),
        ("States.Timeout", "", "States.Timeout", "States.Timeout"),
        ("Runtime.ExitError", "not json {", "Runtime.ExitError", "not json {"),
        ("KeyError", json.dumps(["odd"]), "KeyError", '["odd"]'),
    ],
)
def test_a_cause_becomes_our_code_and_a_message(error: str, cause: str, code: str, message: str | None) -> None:
    read = TaskError.from_cause(error, cause)
    assert read.code == code
    assert read.message == (message or cause)


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        ("provider_unavailable", True),
        ("database_unavailable", True),
        ("States.Timeout", True),
        ("Runtime.ExitError", True),
        ("Execution.ABORTED", True),
        ("too_many_failures", False),
        ("bad_answer", False),
        ("KeyError", False),
        ("deadline_exceeded", False),
    ],
)
def test_which_errors_may_be_gone_next_time(code: str, transient: bool) -> None:
    assert is_transient(code) is transient
