from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, Repository


@pytest.fixture(scope="session")
def repository() -> Repository:
    """This checkout."""
    return Repository(ROOT)


@pytest.fixture
def example(tmp_path: Path) -> Callable[[dict[str, str]], Repository]:
    """Write a small repository, from each file's text by its path."""

    def write(files: dict[str, str]) -> Repository:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Repository(tmp_path)

    return write
