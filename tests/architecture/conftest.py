import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.built import importable
from tests.architecture.repository import ROOT, Repository


@pytest.fixture(scope="session")
def repository() -> Repository:
    """This checkout."""
    return Repository(ROOT)


@pytest.fixture(scope="session")
def imported(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """In `make build`, what it built, as this machine imports it. None elsewhere: the source is tried."""
    built = os.environ.get("BUILT")
    return importable(repository, Path(built), tmp_path_factory.mktemp("built")) if built else None


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
