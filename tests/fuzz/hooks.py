"""Schemathesis sends one documented example of a key with many requests; an API has to refuse all but the first.

So a key goes out as it was generated the first time, and again with the same request, which is then a repetition. With
any other request it is replaced by a new one. What is no key at all stays as it is.

A case without a token stays as it is, too: it is refused before anybody looks at its key, and schemathesis takes a case
whose headers were changed for a valid one, and sends the token after all.
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
    if not isinstance(key, str) or not _KEY.fullmatch(key) or _has_no_token(case):
        return
    request = repr((case.method, case.path, case.path_parameters, case.query, case.body))
    if _requests.setdefault(_bare(key), request) != request:
        case.headers[HEADER] = f"fuzz-{next(_numbers)}"


def _has_no_token(case: schemathesis.Case) -> bool:
    left_out = getattr(case.meta.phase.data, "parameter", None) if case.meta else None
    return str(left_out).lower() == "authorization"


def _bare(key: str) -> str:
    """The key without quotes and escapes: how it is written makes no other key of it."""
    return key.strip().strip('"').replace("\\", "")
