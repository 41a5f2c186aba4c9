"""The hot path's AWS calls, without what botocore loads for each client and does for each call.

A client of boto3 reads megabytes of service models when it is made and runs dozens of hooks for each call: half of a
cached read and a third of a cold start. The actions in HOT need none of that. They speak AWS's JSON protocol: a
signed POST with the action's name in a header (`signing`, `connections`). Exceptions and the rules of what is tried
again are botocore's own. Everything else of a client is boto3's, made when it is first asked for.

Where the environment asks for what only boto3 knows (a profile, FIPS, dual-stack, a proxy, a partition of its own), or
sets AWS_TRANSPORT=boto3, `client` gives None. tests/integration/test_lean.py holds both against each other, call by
call.
"""

import base64
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

from longhaul.aws.connections import Connections, Response
from longhaul.aws.signing import Credentials, signed_headers

type Answer = dict[str, Any]

# By service: the prefix of X-Amz-Target, the version of the protocol, and the actions.
HOT: Mapping[str, tuple[str, str, frozenset[str]]] = {
    "dynamodb": (
        "DynamoDB_20120810",
        "1.0",
        frozenset(
            {"batch_get_item", "batch_write_item", "delete_item", "get_item", "put_item", "query", "update_item"}
        ),
    ),
    "secretsmanager": ("secretsmanager", "1.1", frozenset({"get_secret_value"})),
    "sqs": ("AmazonSQS", "1.0", frozenset({"send_message", "send_message_batch"})),
}
RETRY_COST = 5  # of the 500 that an environment has, and each success gives back: what fails often is tried less often

_ONLY_BOTO3 = (
    "AWS_PROFILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    *(name for kind in ("HTTP", "HTTPS", "ALL") for name in (f"{kind}_PROXY", f"{kind}_proxy".lower())),
)
_REGION = re.compile(r"(af|ap|ca|il|me|mx|sa|us|us-gov|cn|eu)-(?!iso)[a-z]+-\d+")
_IDS = {"secretsmanager": "SECRETS_MANAGER"}  # a service's name in AWS_ENDPOINT_URL_..., where it is another


def client(service: str, timeouts: tuple[float, float], retries: int, whole: Callable[[], Any]) -> "Client | None":
    """The client, or None where only boto3 will do. `whole` makes boto3's, for actions that are not hot."""
    known = signing() if service in HOT else None
    return Client(service, known.region, known.credentials, timeouts, retries, whole) if known else None


class Signing(NamedTuple):
    """What requests are signed with: the region, and what gives the credentials of a call."""

    region: str
    credentials: Callable[[], Any]


def signing() -> Signing | None:
    """What requests are signed with, or None where only boto3 can tell."""
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or ""
    if os.environ.get("AWS_TRANSPORT") == "boto3" or any(map(os.environ.get, _ONLY_BOTO3)):
        return None
    if not _REGION.fullmatch(region) or (credentials := _credentials()) is None:
        return None
    return Signing(region, credentials)


class Client:
    """A service's hot actions as methods, named and answering as boto3's; any other attribute is boto3's."""

    def __init__(
        self,
        service: str,
        region: str,
        credentials: Callable[[], Any],
        timeouts: tuple[float, float],
        retries: int,
        whole: Callable[[], Any],
    ) -> None:
        from botocore.retries.quota import RetryQuota

        self._service, self._region, self._credentials = service, region, credentials
        self._retries, self._make_whole, self._quota = retries, whole, RetryQuota()
        self._connections = Connections(endpoint(service, region), timeouts)

    @cached_property
    def whole(self) -> Any:
        """boto3's client of the same service."""
        return self._make_whole()

    def __getattr__(self, name: str) -> Any:
        if name not in HOT[self._service][2]:
            return getattr(self.whole, name)
        action = name.title().replace("_", "")

        def call(**parameters: Any) -> Answer:
            return self._call(action, parameters)

        setattr(self, name, call)
        return call

    def _call(self, action: str, parameters: dict[str, Any]) -> Answer:
        """Raises botocore's ClientError and connection errors."""
        body = json.dumps(parameters, default=_encoded, ensure_ascii=False, separators=(",", ":")).encode()
        attempt = 1
        while True:
            try:
                answer = self._answer(action, body)
            except Exception as error:  # one of botocore's, which only a failure imports
                delay = self._delay(error, attempt)
                if delay is None:
                    raise
                time.sleep(delay)
                attempt += 1
            else:
                self._quota.release(RETRY_COST if attempt > 1 else 1)
                return answer

    def _delay(self, error: Exception, attempt: int) -> float | None:
        """The seconds until a call is tried again, by botocore's rules; None: it is not."""
        from botocore.retries import standard

        answer: Answer = getattr(error, "response", None) or {}  # a ClientError's
        told = answer.get("ResponseMetadata", {})
        context: Any = standard.RetryContext(
            attempt,
            parsed_response=answer,
            http_response=Response(told["HTTPStatusCode"], told["HTTPHeaders"], b"") if told else None,
            caught_exception=None if told else error,
        )
        transient = standard.TransientRetryableChecker().is_retryable(context)
        again = transient or standard.ThrottledRetryableChecker().is_retryable(context)
        if attempt > self._retries or not again or not self._quota.acquire(RETRY_COST):
            return None
        return float(standard.ExponentialBackoff().delay_amount(context))

    def _answer(self, action: str, body: bytes) -> Answer:
        """What the service says to one request. Raises as `_call` does."""
        response = self._send(action, body)
        answer = _parsed(response)
        if response.status_code >= 300:
            from botocore.exceptions import ClientError

            raise ClientError(answer, action)  # type: ignore[arg-type] # any answer may be an error's
        return answer

    def _send(self, action: str, body: bytes) -> Response:
        target, version, _ = HOT[self._service]
        signed = signed_headers(
            self._credentials(),
            self._region,
            self._service,
            self._connections.path,
            {
                "Host": self._connections.host,
                "Content-Type": f"application/x-amz-json-{version}",
                "X-Amz-Target": f"{target}.{action}",
            },
            body,
        )
        signed["User-Agent"] = "longhaul"
        if (trace := os.environ.get("_X_AMZN_TRACE_ID")) and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
            signed["X-Amzn-Trace-Id"] = quote(trace, safe="-=;:+&[]{}\"',")
        return self._connections.post(signed, body)


def endpoint(service: str, region: str) -> str:
    """The service's URL, or the one that the environment gives."""
    chosen = os.environ.get(f"AWS_ENDPOINT_URL_{_IDS.get(service, service.upper())}")
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    url = chosen or os.environ.get("AWS_ENDPOINT_URL") or f"https://{service}.{region}.{domain}"
    return url.rstrip("/") + "/"


def _credentials() -> Callable[[], Any] | None:
    """What gives the credentials of a call. None: they are where only boto3 looks.

    Those of the environment, as Lambda's, hold as long as it does. A container's, as SnapStart's, are renewed; botocore
    does that.
    """
    given = [os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
    if given[0] and given[1] and "AWS_CREDENTIAL_EXPIRATION" not in os.environ:
        fixed = Credentials(given[0], given[1], given[2])
        return lambda: fixed
    if "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in os.environ:
        return None
    found = _of_container()
    return found.get_frozen_credentials if found else None


@cache
def _of_container() -> Any:
    from botocore.credentials import ContainerProvider

    return ContainerProvider().load()


def _encoded(value: object) -> str:
    """The bytes of an attribute as JSON carries them."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is nothing that an action takes")


def _decoded(value: dict[str, Any]) -> dict[str, Any]:
    """An attribute of bytes; only such a value is an object with nothing but a text named B."""
    if len(value) == 1 and isinstance(text := value.get("B"), str):
        return {"B": base64.b64decode(text)}
    return value


_DECODER = json.JSONDecoder(object_hook=_decoded)


def _parsed(response: Response) -> Answer:
    """The answer, or what a ClientError has of one: its code is in `__type`, or for SQS's older names in a header."""
    fields = response.headers
    try:
        answer: Answer = _DECODER.decode(response.content.decode() or "{}")
    except ValueError:
        answer = {}  # an error of what stands before the service
    if not isinstance(answer, dict):
        answer = {}
    if response.status_code >= 300:
        code = str(answer.pop("__type", response.status_code)).partition(":")[0].rpartition("#")[2]
        code = fields.get("x-amzn-query-error", code).partition(";")[0]
        message = answer.pop("message", None) or answer.pop("Message", "")
        answer["Error"] = {"Code": code, "Message": message}
    answer["ResponseMetadata"] = {
        "RequestId": fields.get("x-amzn-requestid", ""),
        "HTTPStatusCode": response.status_code,
        "HTTPHeaders": dict(fields),
    }
    return answer
