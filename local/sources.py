"""The functions' source tree, watched: a change makes every process started before it out of date."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

LOOK_EVERY = 0.2  # seconds; a look takes about 2 ms
IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


class Sources:
    """Counts versions of the files under some folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder for folder in folders if folder.is_dir()]
        self._version = 1
        self._seen = self._look()
        self._looked_at = time.monotonic()

    def version(self) -> int:
        """Return the present version; it goes up by one when a file has come, gone or changed."""
        if time.monotonic() - self._looked_at >= LOOK_EVERY:
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._version += 1
            self._looked_at = time.monotonic()
        return self._version

    def _look(self) -> frozenset[tuple[str, int, int]]:
        return frozenset(entry for folder in self._folders for entry in _files(str(folder)))


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in IGNORED:
                    yield from _files(entry.path)
            elif not entry.name.endswith((".pyc", "~", ".swp")):
                try:
                    status = entry.stat()
                except FileNotFoundError:  # an editor's temporary file
                    continue
                yield entry.path, status.st_mtime_ns, status.st_size
