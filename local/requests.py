"""HTTP requests to a running stack, with nothing but the standard library."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def send(url: str, method: str, body: Any, headers: Mapping[str, str], timeout: float) -> Answer:
    """Send one request, `body` as JSON; an error status is an answer like any other."""
    data = None if body is None else json.dumps(body).encode()
    given = {**({"Content-Type": "application/json"} if data is not None else {}), **headers}
    request = urllib.request.Request(url, data, given, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Answer(answer.status, _lower(answer.headers.items()), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers.items()), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
