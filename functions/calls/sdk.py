"""The OutboundBot SDK: created on first use, called under a circuit, its errors translated.

    Throttling*, 429, a wait in x-acs-retry-after    ProviderThrottled, with the wait in seconds
    no answer, no JSON, 5xx, 408, a server's code    ProviderUnavailable
    an answer without the shape it should have       ProviderUnavailable: what answers is not the provider at work
    anything else refused, the access key too        Refused, a BadAnswer

The rule is the same for a refusal by HTTP status and for `Success: false`. Every parameter travels in the URL, phone
numbers too, and the messages of the SDK and of the provider quote it. So neither is logged, repeated or chained.
"""

import re
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from longhaul.aws.circuit import Circuit
from longhaul.errors import BadAnswer, LonghaulError, ProviderThrottled, ProviderUnavailable
from longhaul.observability import logger, metrics

CONNECT_SECONDS, READ_SECONDS = 2.0, 5.0
# A kept-alive connection that broke while the function slept costs a read one more try. Nothing else is tried again
# here: a provider that throttles is left alone for as long as it asks, which the queue's back-off knows how to do.
READ_TRIES, PAUSE_MS = 2, 100
SERVER_CODES = ("InternalError", "ServiceUnavailable", "SystemError", "SystemBusy", "UnknownError")
MISSHAPEN = (AttributeError, TypeError, ValueError, OverflowError)  # raised by reading a value of another shape
KEY_CODES = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "Forbidden", "NoPermission")


class Refused(BadAnswer):
    """The provider refuses the request."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason  # the provider's code


class Keys(BaseModel):
    """The content of the secret."""

    model_config = ConfigDict(frozen=True)

    access_key_id: str = Field(min_length=1)
    access_key_secret: SecretStr = Field(min_length=1)


class Sdk:
    """One instance at one endpoint. `read_keys` is called on first use, and again when the keys are refused."""

    def __init__(
        self, *, endpoint: str, protocol: str, instance_id: str, read_keys: Callable[[], Keys], circuit: Circuit
    ) -> None:
        self._endpoint = endpoint
        self._protocol = protocol
        self._instance_id = instance_id
        self._read_keys = read_keys
        self._circuit = circuit
        self._keys: Keys | None = None

    def read[Value](
        self, action: str, take: Callable[[Any], Value], *, seconds: float | None = None, **params: Any
    ) -> Value:
        """What `take` returns for the body of the answer, within `seconds` if given."""
        return self._circuit.call(
            lambda: self._request(action, params, take, tries=1 if seconds else READ_TRIES, seconds=seconds)
        )

    def write[Value](self, action: str, take: Callable[[Any], Value], **params: Any) -> Value:
        """As `read`, for a change, which is requested once. ProviderUnavailable may mean that it was made."""
        return self._circuit.call(lambda: self._request(action, params, take, tries=1))

    def _request[Value](
        self,
        action: str,
        params: Mapping[str, Any],
        take: Callable[[Any], Value],
        *,
        tries: int,
        seconds: float | None = None,
    ) -> Value:
        started = time.perf_counter()
        answer = self._send(action, params, tries, seconds)
        body, wait = answer.body, _wait((answer.headers or {}).get("x-acs-retry-after"))
        if body is None or not isinstance(body.success, bool):
            raise ProviderUnavailable(f"the answer to {action} is not one")
        if not body.success:
            raise _refusal(action, body.code, body.http_status_code, wait)
        try:
            value = take(body)
        except MISSHAPEN as error:
            wrong = type(error).__name__
            raise ProviderUnavailable(f"the answer to {action} is not of its shape: {wrong}") from None
        _record(action, body.request_id, time.perf_counter() - started)
        return value

    def _send(self, action: str, params: Mapping[str, Any], tries: int, seconds: float | None) -> Any:
        from alibabacloud_outboundbot20191226 import models
        from darabonba.runtime import RuntimeOptions
        from Tea.exceptions import TeaException

        connect = min(CONNECT_SECONDS, seconds / 3) if seconds else CONNECT_SECONDS
        read = min(READ_SECONDS, seconds - connect) if seconds else READ_SECONDS
        runtime = RuntimeOptions(connect_timeout=int(connect * 1000), read_timeout=int(read * 1000))
        request = getattr(models, f"{action}Request")(instance_id=self._instance_id, **params)
        method = f"{re.sub(r'(?<!^)(?=[A-Z])', '_', action).lower()}_with_options"
        while True:
            try:
                return getattr(self._client(tries), method)(request, runtime)
            except TeaException as error:
                if not (_concerns_keys(error) and self._renewed()):
                    raise _translated(action, error) from None

    def _client(self, tries: int) -> Any:
        if self._keys is None:
            self._keys = self._read_keys()
        return _client(self._endpoint, self._protocol, self._keys, tries)

    def _renewed(self) -> bool:
        """Whether the secret holds other keys than the refused ones, as after a rotation."""
        before, self._keys = self._keys, self._read_keys()
        return self._keys != before


@cache
def _client(endpoint: str, protocol: str, keys: Keys, tries: int) -> Any:
    """The SDK's client. All clients share one pool of connections. Given keys keep it from asking for credentials."""
    from alibabacloud_outboundbot20191226.client import Client
    from alibabacloud_tea_openapi.utils_models import Config
    from darabonba.policy.retry import RetryCondition, RetryOptions

    again = RetryCondition(
        exception=["RetryError"], max_attempts=tries, backoff={"policy": "Fixed", "period": PAUSE_MS}
    )
    return Client(
        Config(
            access_key_id=keys.access_key_id,
            access_key_secret=keys.access_key_secret.get_secret_value(),
            endpoint=endpoint,
            protocol=protocol,
            retry_options=RetryOptions(retryable=tries > 1, retry_condition=[again]),
        )
    )


def _translated(action: str, error: Any) -> LonghaulError:
    if (status := getattr(error, "status_code", None)) is not None:
        return _refusal(action, error.code, status, _wait(error.retry_after))
    inner = error.inner_exception
    reason = type(inner.__context__ or inner).__name__  # the SDK wraps the error and keeps its text only
    return ProviderUnavailable(f"the provider does not answer {action}: {reason}")


def _refusal(action: str, code: object, status: object, retry_after: float | None) -> LonghaulError:
    code, status = str(code)[:64], status if isinstance(status, int) else 0
    refused = f"the provider refuses {action} with {code} ({status})"
    if retry_after is not None or status == 429 or code.startswith("Throttling"):
        return ProviderThrottled(refused, retry_after=retry_after)
    if status == 408 or status >= 500 or code.startswith(SERVER_CODES):
        return ProviderUnavailable(refused)
    return Refused(refused, reason=code)


def _concerns_keys(error: Any) -> bool:
    return getattr(error, "status_code", None) in (400, 401, 403, 404) and str(error.code).startswith(KEY_CODES)


def _wait(milliseconds: object) -> float | None:
    text = str(milliseconds)
    return int(text) / 1000 if text.isdecimal() and int(text) else None


def _record(action: str, request_id: object, seconds: float) -> None:
    logger.info("the provider answered", extra={"action": action, "seconds": round(seconds, 3), "request": request_id})
    metrics.add_metric("OutboundSeconds", MetricUnit.Seconds, seconds)
