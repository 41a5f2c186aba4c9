"""The requests that functions send to AWS, whichever client sends them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from botocore.httpsession import URLLib3Session

_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/[^/]+/(\w+)/")


class Sent(NamedTuple):
    """A request to a service that speaks JSON: `dynamodb`, `GetItem`, and the status of its answer."""

    service: str
    action: str
    status: int


@contextmanager
def sent_requests(*services: str) -> Iterator[list[Sent]]:
    """Those to these services, to any without a name, that were sent in the block."""
    seen, send = list[Sent](), URLLib3Session.send

    def noted(session: Any, request: Any) -> Any:
        answer = send(session, request)
        signed = _SIGNED_FOR.search(_text(request.headers.get("Authorization", "")))
        if signed and (not services or signed[1] in services):
            target = _text(request.headers.get("X-Amz-Target", ""))
            seen.append(Sent(signed[1], target.rpartition(".")[2], answer.status_code))
        return answer

    URLLib3Session.send = noted  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        URLLib3Session.send = send  # type: ignore[method-assign]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
