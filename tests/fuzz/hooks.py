"""Schemathesis sends one documented example of a key with many requests; an API has to refuse all but the first.

So a key goes out as it was generated the first time, and again with the same request, which is then a repetition. With
any other request it is replaced by a new one. What is no key at all stays as it is.
"""

import itertools
import re
from typing import Any

import schemathesis

HEADER = "Idempotency-Key"
_KEY = re.compile(r'"([ !#-\[\]-~]|\\["\\])+"|[!#-~][ -~]*')

_requests: dict[str, str] = {}
_numbers = itertools.count(1)


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, __: dict[str, Any]) -> None:
    key = case.headers.get(HEADER)
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        return
    request = repr((case.method, case.path, case.path_parameters, case.query, case.body))
    if _requests.setdefault(_bare(key), request) != request:
        case.headers[HEADER] = f"fuzz-{next(_numbers)}"


def _bare(key: str) -> str:
    """The key without quotes and escapes: how it is written makes no other key of it."""
    return key.strip().strip('"').replace("\\", "")
