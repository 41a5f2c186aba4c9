"""What Lambda limits, and the errors with which it refuses: payloads, environments, concurrency.

The figures: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
The errors: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from local.options import CONCURRENCY
from local.template.model import Function, TemplateError

REQUEST_BYTES = 6 * 1024 * 1024
RESPONSE_BYTES = 6_291_556  # 6 MB and 100 bytes, by the text of Lambda's own error
# It was 256 KB until October 2025:
# https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb/
EVENT_BYTES = 1024 * 1024
ENVIRONMENT_BYTES = 4 * 1024
UNRESERVED = 100  # executions at once that stay with the functions that reserve none


class Refusal(Exception):
    """An invocation that Lambda refuses, with the `status`, `kind` and `reason` of its error."""

    status = 400
    kind = "InvalidRequestContentException"
    reason: str | None = None


class UnknownFunction(Refusal):
    """There is no function of that name."""

    status, kind = 404, "ResourceNotFoundException"

    def __init__(self, name: str) -> None:
        super().__init__(f"Function not found: {name}")


class Throttled(Refusal):
    """The concurrency of the function, or of the account, is used up."""

    status, kind = 429, "TooManyRequestsException"

    def __init__(self, reason: str) -> None:
        super().__init__("Rate Exceeded.")
        self.reason = reason


class PayloadTooLarge(Refusal):
    """The event has more bytes than Lambda takes."""

    status, kind = 413, "RequestEntityTooLargeException"


def check(functions: Collection[Function], concurrency: int) -> None:
    """Raise TemplateError for functions that Lambda would not deploy to an account with that concurrency."""
    Concurrency(functions, concurrency)
    for function in functions:
        check_environment(function.name, function.environment)


def check_request(event: bytes) -> None:
    """Raise PayloadTooLarge for an event that is too large for an invocation that waits for its result."""
    if len(event) > REQUEST_BYTES:
        raise PayloadTooLarge(f"Request must be smaller than {REQUEST_BYTES} bytes for the InvokeFunction operation")


def check_event(event: bytes) -> None:
    """Raise PayloadTooLarge for an event that is too large for an asynchronous invocation."""
    if len(event) > EVENT_BYTES:
        kind = "is too large for the Event invocation type"
        raise PayloadTooLarge(f"{len(event)} byte payload {kind} (limit {EVENT_BYTES} bytes)")


def check_environment(function: str, environment: Mapping[str, str]) -> None:
    """Raise TemplateError for variables over 4 KB, as Lambda measures them: JSON, with the escapes of the values."""
    size = environment_bytes(environment)
    if size > ENVIRONMENT_BYTES:
        largest = sorted(environment, key=lambda name: len(environment[name]), reverse=True)[:3]
        raise TemplateError(
            f"{function}: Lambda was unable to configure your environment variables because the environment variables "
            f"you have provided exceeded the 4KB limit. They have {size} bytes; the largest: {', '.join(largest)}"
        )


def environment_bytes(environment: Mapping[str, str]) -> int:
    """Return the bytes of an environment as Lambda measures it, which its error quotes ("String measured: {...}")."""
    return len(json.dumps(dict(environment), ensure_ascii=False, separators=(",", ":")).encode())


class Concurrency:
    """The executions that run at once in the account. A function that reserves some has those, and no others.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html. Raises TemplateError when the functions
    reserve more than an account of `limit` executions lets them: then their deployment fails.
    """

    def __init__(self, functions: Iterable[Function], limit: int = CONCURRENCY) -> None:
        reserved = {function.name: function.reserved for function in functions if function.reserved is not None}
        self._shared = limit - sum(reserved.values())
        least = min(UNRESERVED, limit)
        if reserved and self._shared < least:
            raise TemplateError(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{least}]. The account may run {limit} at once, and "
                f"{', '.join(sorted(reserved))} reserve {sum(reserved.values())}"
            )
        self._running: dict[str | None, int] = dict.fromkeys([None, *reserved], 0)

    @contextlib.contextmanager
    def execution(self, function: Function) -> Iterator[None]:
        """Count an execution while it runs. Raises Throttled without a place for it."""
        if function.reserved is not None:
            pool, limit, reason = function.name, function.reserved, "ReservedFunctionConcurrentInvocationLimitExceeded"
        else:
            pool, limit, reason = None, self._shared, "ConcurrentInvocationLimitExceeded"
        if self._running[pool] >= limit:
            raise Throttled(reason)
        self._running[pool] += 1
        try:
            yield
        finally:
            self._running[pool] -= 1
