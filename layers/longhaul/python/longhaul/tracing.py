"""W3C Trace Context: the trace of a request, in each log line of it, in its answer, its task and its notices.

A caller's trace goes on under a span of ours; a request without one, or with one that is not valid, begins a trace.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
import secrets
from contextvars import ContextVar

# A version that is not known yet may have more behind the flags; version ff is none.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1  # of the flags the only one that version 00 knows

current: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The `traceparent` of the request that is being answered; None outside of one."""


def next_traceparent(given: str | None) -> str:
    """Our own span of the trace in a `traceparent` header, in version 00."""
    found = _TRACEPARENT.fullmatch((given or "").strip())
    if found is None or (found[1] == "00" and found[4]):
        return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    return f"00-{found[2]}-{secrets.token_hex(8)}-{int(found[3], 16) & _SAMPLED:02x}"
