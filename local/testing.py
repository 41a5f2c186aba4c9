"""For the tests: a running stack as a fixture, and waiting for what takes a while.

# tests/e2e/conftest.py
from local.testing import stack as stack
"""

import time
from collections.abc import Callable, Iterator

import pytest

from local.running import RunningStack, local_stack

__all__ = ["RunningStack", "eventually", "local_stack", "stack"]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for the whole test session, on free ports and a folder of its own."""
    with local_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def eventually[T](look: Callable[[], T], seconds: float = 30.0, pause: float = 0.1) -> T:
    """Call `look` until what it returns is true, and return that. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {seen!r}"
        time.sleep(pause)
    return seen
