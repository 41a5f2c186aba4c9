"""When a task may start, and until when it must have ended: what a caller asks for, within bounds."""

from collections.abc import Callable
from datetime import datetime, timedelta

from longhaul.errors import FieldError, InvalidRequest

FURTHEST_START = timedelta(days=30)
FURTHEST_DEADLINE = timedelta(days=37)  # a week after the furthest start


def checked(
    run_after: datetime | None, deadline: datetime | None, clock: Callable[[], datetime]
) -> tuple[datetime | None, datetime | None]:
    """Its start (None: at once) and its deadline. `clock` is asked only when one is given.

    Raises InvalidRequest when they are too far off, or the deadline too early.
    """
    if run_after is None and deadline is None:
        return None, None
    now = clock()
    if run_after is not None and run_after <= now:
        run_after = None
    errors: list[FieldError] = []
    if run_after and run_after > now + FURTHEST_START:
        errors.append({"pointer": "/run_after", "detail": f"is more than {FURTHEST_START.days} days ahead"})
    if deadline and deadline <= (run_after or now):
        errors.append({"pointer": "/deadline", "detail": "is not after run_after" if run_after else "is past"})
    elif deadline and deadline > now + FURTHEST_DEADLINE:
        errors.append({"pointer": "/deadline", "detail": f"is more than {FURTHEST_DEADLINE.days} days ahead"})
    if errors:
        raise InvalidRequest("; ".join(f"{error['pointer']} {error['detail']}" for error in errors), errors=errors)
    return run_after, deadline
