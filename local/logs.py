"""The functions' logs: a readable file for each in the state folder, shown by `make logs`."""

import asyncio
import re
import time
from pathlib import Path

from local.options import StackError

LINE_BYTES = 1024 * 1024
LAST_LINES = 40  # shown of each file at first
FOLLOW_SECONDS = 0.3  # between two looks at the files
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


def log_path(folder: Path, function: str) -> Path:
    """Return a function's log file: `ListCities` writes to `list_cities.log`."""
    return folder / f"{_HUMP.sub('_', function).lower()}.log"


class FunctionLog:
    """A function's log file. Lines of processes that write at the same time are never mixed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, line: str) -> None:
        self._file.write(f"{line}\n".encode())

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Append the output of a process, line by line, until it ends."""
        while True:
            try:
                line = await stream.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                line = end.partial
            except asyncio.LimitOverrunError as overrun:
                line = await stream.readexactly(overrun.consumed)
            if not line:
                return
            # The runtime client puts \r between the lines of one log event, as CloudWatch expects.
            self._file.write(line.rstrip(b"\r\n").replace(b"\r", b"\n") + b"\n")

    def close(self) -> None:
        self._file.close()


def timestamp() -> str:
    """Return the present time as in log lines, in UTC."""
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"


def show(folder: Path, function: str | None, follow: bool) -> int:
    """Print the end of a function's log, or of all logs, each line with its file's name. Returns the exit code."""
    places = dict.fromkeys(_paths(folder, function), 0)
    if not places and not follow:
        raise StackError(f"no logs of {function or 'any function'} in {folder}")
    several = function is None
    for path in places:
        places[path] = _print(path, 0, several, LAST_LINES)
    while follow:
        time.sleep(FOLLOW_SECONDS)
        for path in _paths(folder, function):
            places[path] = _print(path, places.get(path, 0), several, None)
    return 0


def _paths(folder: Path, function: str | None) -> list[Path]:
    if function is None:
        return sorted(folder.glob("*.log"))
    exact = folder / f"{function}.log"
    return [path for path in (exact, log_path(folder, function)) if path.exists()][:1]


def _print(path: Path, start: int, several: bool, last: int | None) -> int:
    """Print the lines from byte `start` on, at most the `last` ones. Returns where the printed part ends."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    complete = data[: data.rfind(b"\n") + 1]
    lines = complete.decode(errors="replace").splitlines()
    for line in lines if last is None else lines[-last:]:
        print(f"{path.stem}: {line}" if several else line, flush=True)
    return start + len(complete)
