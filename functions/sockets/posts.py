"""Posts: frames on their way to connections, through API Gateway's management API.

What boto3's `apigatewaymanagementapi` sends, signed by botocore's signer, without the time that goes into finding out
where and how: a thousand frames of one notice are a thousand requests.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import json
import time
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

from longhaul import settings
from longhaul.observability import logger
from sockets.frames import Frame

AT_ONCE = 32  # requests under way
CONNECT_SECONDS, READ_SECONDS = 1.0, 2.0
TRIES, PAUSE = 2, 0.1  # seconds, of what may be better at once


class Outcome(StrEnum):
    """`slow`: the client does not read what it is sent, or API Gateway is asked too much for it."""

    posted = "posted"
    gone = "gone"
    slow = "slow"
    failed = "failed"


_BY_STATUS = {200: Outcome.posted, 204: Outcome.posted, 410: Outcome.gone, 429: Outcome.slow}


def post(connection_id: str, frames: Sequence[bytes]) -> Outcome:
    """Send the frames in their order, as far as they are taken: the outcome is that of the last one tried."""
    for frame in frames:
        outcome = _request("POST", connection_id, frame)
        if outcome != Outcome.posted:
            return outcome
    return Outcome.posted


def close(connection_id: str) -> Outcome:
    """End the connection. `gone`, when it had ended."""
    return _request("DELETE", connection_id, b"")


def prepare() -> None:
    """Make what all requests share, before threads would make it several times."""
    _http(_endpoint())
    _signer()


def encoded(frame: Frame) -> bytes:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


def _request(method: str, connection_id: str, body: bytes) -> Outcome:
    outcome = Outcome.failed
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * attempt)
        outcome = _send(method, connection_id, body)
        if outcome in (Outcome.posted, Outcome.gone):
            return outcome
    return outcome


def _send(method: str, connection_id: str, body: bytes) -> Outcome:
    from botocore.awsrequest import AWSRequest
    from urllib3.exceptions import HTTPError

    endpoint = _endpoint()
    address = f"{endpoint}/@connections/{quote(connection_id, safe='')}"
    request = AWSRequest(method, address, data=body, headers={"Content-Type": "application/octet-stream"})
    _signer().add_auth(request)
    try:
        answer = _http(endpoint).urlopen(method, urlsplit(address).path, body=body, headers=dict(request.headers))
    except HTTPError as error:
        logger.warning("frame not posted", extra={"connection_id": connection_id, "reason": str(error)})
        return Outcome.failed
    if (outcome := _BY_STATUS.get(answer.status)) is not None:
        return outcome
    reason = answer.data[:500].decode(errors="replace")
    extra = {"connection_id": connection_id, "status": answer.status, "reason": reason}
    logger.warning("frame not posted", extra=extra)
    return Outcome.failed


def _endpoint() -> str:
    endpoint: str = settings.of(settings.SocketsApi).sockets_endpoint
    return endpoint


@cache
def _http(endpoint: str) -> Any:
    """Connections that are kept, verified as botocore verifies its own. Its session costs six times what they cost."""
    from botocore.httpsession import get_cert_path
    from urllib3 import Retry, Timeout, connection_from_url

    verified = {"cert_reqs": "CERT_REQUIRED", "ca_certs": get_cert_path(True)} if endpoint.startswith("https") else {}
    timeout = Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    retries = Retry(0, redirect=False, raise_on_redirect=False)
    return connection_from_url(endpoint, maxsize=AT_ONCE, timeout=timeout, retries=retries, **verified)


@cache
def _signer() -> Any:
    """A function's credentials last as long as its environment."""
    import boto3
    from botocore.auth import SigV4Auth

    session = boto3.Session()
    credentials: Any = session.get_credentials()
    return SigV4Auth(credentials, "execute-api", session.region_name)
