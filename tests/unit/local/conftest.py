"""The sample stack of this folder, run once for all tests here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.running import RunningStack, local_stack

SAMPLE = Path(__file__).parent / "sample" / "template.yaml"


@pytest.fixture(scope="session")
def sample() -> Path:
    return SAMPLE


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with local_stack(tmp_path_factory.mktemp("sample"), template=SAMPLE) as running:
        yield running
