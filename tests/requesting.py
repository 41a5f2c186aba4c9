"""The requests that functions send to AWS, whichever client sends them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from botocore.awsrequest import AWSPreparedRequest
from botocore.httpsession import URLLib3Session

from longhaul.aws.connections import Connections

_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/[^/]+/(\w+)/")


class Sent(NamedTuple):
    """A request to a service that speaks JSON: `dynamodb`, `GetItem`, and the status of its answer."""

    service: str
    action: str
    status: int


@contextmanager
def watched(see: Callable[[AWSPreparedRequest, Callable[[], Any]], Any]) -> Iterator[None]:
    """Have `see` answer each request, of boto3's clients and of lean ones. It is given what sends it on."""
    by_session, by_connections = URLLib3Session.send, Connections.post

    def send(session: Any, request: Any) -> Any:
        return see(request, lambda: by_session(session, request))

    def post(connections: Any, headers: Any, body: bytes) -> Any:
        request: Any = AWSPreparedRequest("POST", connections.url, headers, body, False)
        return see(request, lambda: by_connections(connections, headers, body))

    URLLib3Session.send, Connections.post = send, post  # type: ignore[method-assign]
    try:
        yield
    finally:
        URLLib3Session.send, Connections.post = by_session, by_connections  # type: ignore[method-assign]


@contextmanager
def sent_requests(*services: str) -> Iterator[list[Sent]]:
    """Those to these services, to any without a name, that were sent in the block."""
    seen = list[Sent]()

    def note(request: AWSPreparedRequest, send: Callable[[], Any]) -> Any:
        answer = send()
        signed = _SIGNED_FOR.search(_text(request.headers.get("Authorization", "")))
        if signed and (not services or signed[1] in services):
            target = _text(request.headers.get("X-Amz-Target", ""))
            seen.append(Sent(signed[1], target.rpartition(".")[2], answer.status_code))
        return answer

    with watched(note):
        yield seen


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
