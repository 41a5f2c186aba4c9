"""For the fault tests of calls: campaigns on a stack at rest, none of which is left at work for the next test."""

from collections.abc import Iterator

import pytest

from tests.campaigns import Campaigns
from tests.observation import Observer
from tests.providing import Provider


@pytest.fixture
def campaigns(observer: Observer, provider: Provider) -> Iterator[Campaigns]:
    campaigns = Campaigns(observer, provider)
    yield campaigns
    campaigns.abandon()
