"""How long this call of the function may still run, so that nothing is begun which cannot end in time.

`observed` notes it for each call. Lambda kills a call at its timeout: what a provider was asked then is paid for and
lost.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools.utilities.typing import LambdaContext


class _Memory:
    """When this execution environment's call ends, by its monotonic clock; infinite outside of a call."""

    ends_at = math.inf


@contextmanager
def of(context: LambdaContext) -> Iterator[None]:
    """The block is the call."""
    _Memory.ends_at = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    try:
        yield
    finally:
        _Memory.ends_at = math.inf


def seconds_left() -> float:
    """Infinite outside of a call."""
    return _Memory.ends_at - time.monotonic()
