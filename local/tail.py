"""Logs on the terminal: the last lines of a function's file, or of all files, and what comes after."""

import time
from pathlib import Path

from local.logs import log_path
from local.options import StackError

LAST_LINES = 40
LOOK_EVERY = 0.3


def show(folder: Path, function: str | None, follow: bool) -> int:
    """Print the end of a log, each line with its file's name when there are several. Returns the exit code."""
    places = dict.fromkeys(_paths(folder, function), 0)
    if not places and not follow:
        raise StackError(f"no logs of {function or 'any function'} in {folder}")
    several = function is None
    for path in places:
        places[path] = _print(path, 0, several, LAST_LINES)
    while follow:
        time.sleep(LOOK_EVERY)
        for path in _paths(folder, function):
            places[path] = _print(path, places.get(path, 0), several, None)
    return 0


def _paths(folder: Path, function: str | None) -> list[Path]:
    if function is None:
        return sorted(folder.glob("*.log"))
    exact = folder / f"{function}.log"
    return [path for path in (exact, log_path(folder, function)) if path.exists()][:1]


def _print(path: Path, start: int, several: bool, last: int | None) -> int:
    """Print from the byte `start`, at most the `last` lines; return where the printed part ends."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    complete = data[: data.rfind(b"\n") + 1]
    lines = complete.decode(errors="replace").splitlines()
    for line in lines if last is None else lines[-last:]:
        print(f"{path.stem}: {line}" if several else line, flush=True)
    return start + len(complete)
