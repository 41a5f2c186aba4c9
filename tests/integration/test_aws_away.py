"""Services of AWS that throttle or are away: the same moment is transient for a step and a 503 for a caller."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError

from longhaul import aws
from longhaul import database as longhaul_database
from longhaul.database import connections
from longhaul.errors import AwsUnavailable, DatabaseUnavailable
from longhaul.observability import observed
from longhaul.tasks.model import Task
from tests.calling import Context, ask, call

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

REFUSALS = {
    "throttled": (400, "ThrottlingException"),
    "kms": (400, "DecryptionFailure"),
    "broken": (500, "InternalServiceError"),
}


@pytest.fixture
def refusing(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, str]]]:
    """A cold environment whose Secrets Manager answers what is in the list; give it (status, code)."""
    answers: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, code = answers[0]
            body = json.dumps({"__type": code, "message": "not now"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with monkeypatch.context() as changed:
        changed.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{server.server_port}")
        changed.setattr(aws, "_OTHERS", (1.0, 1.0, 0))
        _cold()
        yield answers
    _cold()
    server.shutdown()
    server.server_close()


def _cold() -> None:
    longhaul_database.close()
    connections._secret.cache_clear()
    aws._client.cache_clear()


@pytest.mark.parametrize("how", REFUSALS)
def test_a_cold_start_without_its_secret_is_a_503_that_says_when_to_come_back(
    refusing: list[tuple[int, str]], how: str
) -> None:
    refusing.append(REFUSALS[how])
    status, problem, headers = ask("read_task", "GET", "/api/v1/tasks/t-1")
    assert (status, problem["code"], problem["retryable"]) == (503, "database_unavailable", True)
    assert int(headers["Retry-After"]) >= 1


def test_a_step_without_its_secret_is_retried_and_works_once_it_is_back(
    running_task: Callable[..., Task], refusing: list[tuple[int, str]]
) -> None:
    refusing.append(REFUSALS["throttled"])
    with _answering():
        event = {"task_id": running_task(province="宁夏").task_id, "attempt": 1}
    with pytest.raises(DatabaseUnavailable, match="ThrottlingException"):
        call("hospitals", "list_provinces", event)
    with _answering():
        assert len(call("hospitals", "list_provinces", event)["provinces"]) == 1


@contextmanager
def _answering() -> Iterator[None]:
    """Secrets Manager is back; afterwards the environment is cold again."""
    with pytest.MonkeyPatch.context() as well:
        well.delenv("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        _cold()
        yield
    _cold()


def refusal(status: int, code: str) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (refusal(400, "ThrottlingException"), True),
        (refusal(400, "KmsThrottled"), True),
        (refusal(400, "ProvisionedThroughputExceededException"), True),
        (refusal(429, "TooManyRequestsException"), True),
        (refusal(503, "SlowDown"), True),
        (refusal(500, "KMSInternalException"), True),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"), True),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="http://x"), True),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="http://x"), True),
        (refusal(400, "ValidationException"), False),
        (refusal(400, "AccessDeniedException"), False),
        (refusal(400, "ResourceNotFoundException"), False),
        (botocore.exceptions.ParamValidationError(report="x"), False),
        (ValueError("x"), False),
    ],
)
def test_what_nobody_has_translated_is_transient_when_the_service_is_away(error: Exception, away: bool) -> None:
    def handler(_event: dict[str, Any], _context: Any) -> None:
        raise error

    with pytest.raises(AwsUnavailable if away else type(error)):
        observed(handler)({}, Context())


def test_a_request_that_meets_it_is_a_503(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise refusal(400, "ThrottlingException")

    monkeypatch.setattr("longhaul.database.connection", away)
    status, problem, headers = ask("read_task", "GET", "/api/v1/tasks/t-1", cache_control="no-cache")
    assert (status, problem["code"], problem["retryable"]) == (503, "aws_unavailable", True)
    assert int(headers["Retry-After"]) >= 1
