"""Requests and links signed with AWS's Signature Version 4, as botocore's signer does it, letter by letter.

That one parses each URL and each header several times, and derives the day's key anew for each signature: a tenth of a
cached read, and a third of a page with twenty links. Here the key is derived once a day.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"  # a link's reader sends no body


class Credentials(NamedTuple):
    """A key and its secret; `token` is that of temporary ones."""

    access_key: str
    secret_key: str
    token: str | None


class Scope(NamedTuple):
    """What signatures hold for, a service of a region on a day, and their key.

    `name` is `20261130/us-east-1/sqs/aws4_request`.
    """

    name: str
    key: bytes


def signed_headers(
    credentials: Credentials, region: str, service: str, path: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """The headers of a POST with those that sign it. `headers` have `Host`.

    `path` is as it is sent; every service but S3 has it encoded once more under its signature.
    """
    moment = _now()
    scope = _scope(credentials.secret_key, moment[:8], region, service)
    given = {**headers, "X-Amz-Date": moment}
    if credentials.token:
        given["X-Amz-Security-Token"] = credentials.token
    canonical = sorted((name.lower(), value) for name, value in given.items())
    names = ";".join(name for name, _ in canonical)
    lines = "".join(f"{name}:{value}\n" for name, value in canonical)
    request = f"POST\n{quote(path, safe='/~')}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    given["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope.name}, SignedHeaders={names}, "
        f"Signature={_signature(scope, moment, request)}"
    )
    return given


def query_signer(credentials: Credentials, region: str, service: str, *, seconds: int) -> Callable[[str, str], str]:
    """What gives, for a host and a path that is encoded already, the query of a link that may be read for so long.

    All that links of one moment share is written once.
    """
    moment = _now()
    scope = _scope(credentials.secret_key, moment[:8], region, service)
    parameters = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope.name}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        parameters["X-Amz-Security-Token"] = credentials.token
    pairs = [f"{name}={quote(value, safe='-_.~')}" for name, value in parameters.items()]
    query, canonical = "&".join(pairs), "&".join(sorted(pairs))

    def sign(host: str, path: str) -> str:
        request = f"GET\n{path}\n{canonical}\nhost:{host}\n\nhost\n{UNSIGNED}"
        return f"{query}&X-Amz-Signature={_signature(scope, moment, request)}"

    return sign


def _now() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def _signature(scope: Scope, moment: str, request: str) -> str:
    string_to_sign = f"{ALGORITHM}\n{moment}\n{scope.name}\n{hashlib.sha256(request.encode()).hexdigest()}"
    return _sign(scope.key, string_to_sign).hex()


@lru_cache(maxsize=16)  # of each service that a function calls, and of the day before
def _scope(secret_key: str, day: str, region: str, service: str) -> Scope:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _sign(key, part)
    return Scope(f"{day}/{region}/{service}/aws4_request", key)


def _sign(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
