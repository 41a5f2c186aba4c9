"""What a test of a workload finds ready: an empty database, and language models that answer any prompt.

The models are the stand-in's, as on `make up`. The deployment's own has no price; the one that is called `first` has.
"""

from collections.abc import Iterator

import pytest

from longhaul.tasks.kinds import kinds
from tests.chatting import StandIn


@pytest.fixture(autouse=True)
def ready(model: StandIn) -> Iterator[None]:
    """Each test begins without tasks. What it adds to the kinds is forgotten at its end."""
    known = dict(kinds())
    yield
    kinds().clear()
    kinds().update(known)
