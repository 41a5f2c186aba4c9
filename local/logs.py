"""Where functions write: one readable file a function in the state folder."""

import asyncio
import re
import time
from pathlib import Path

LINE_BYTES = 1024 * 1024
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


def log_path(folder: Path, function: str) -> Path:
    """Return a function's log file: `ListCities` writes to `list_cities.log`."""
    return folder / f"{_HUMP.sub('_', function).lower()}.log"


class FunctionLog:
    """A function's log; processes that write at once never mix their lines."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, line: str) -> None:
        self._file.write(f"{line}\n".encode())

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Append what a process prints, line by line, until it ends."""
        while True:
            try:
                line = await stream.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                line = end.partial
            except asyncio.LimitOverrunError as overrun:
                line = await stream.readexactly(overrun.consumed)
            if not line:
                return
            # The runtime client puts \r between the lines of one log event, as CloudWatch wants it.
            self._file.write(line.rstrip(b"\r\n").replace(b"\r", b"\n") + b"\n")

    def close(self) -> None:
        self._file.close()


def timestamp() -> str:
    """Return the time now as log lines carry it, in UTC."""
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
