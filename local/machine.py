"""What a stack needs of the machine: free ports, a state folder of its own, a network.

Each raises StackError with the reason, and what to do about it.
"""

import contextlib
import fcntl
import os
import random
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from local.options import PARTS, Options, StackError

_GET_ADDRESS = 0x8915  # SIOCGIFADDR of Linux
_REQUEST = struct.Struct("16s240x")  # struct ifreq; the kernel writes the address at byte 20


def check_ports(port: int) -> None:
    """Raise StackError for the first of the stack's ports that is taken."""
    for offset, part in enumerate(PARTS):
        if not is_free(port + offset):
            raise StackError(f"port {port + offset} ({part}) is taken; choose others with PORT={port + 1000}")


def free_port() -> int:
    """Return a port that is free, as are the ones after it that a stack uses."""
    for _ in range(200):
        port = random.randrange(20000, 32000, len(PARTS))
        if all(is_free(port + offset) for offset in range(len(PARTS))):
            return port
    raise StackError("no free ports between 20000 and 32000")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_network(*, embedded: bool) -> None:
    """Raise StackError when processes cannot reach each other, or when the embedded database would not open.

    That database asks the kernel for an address of the machine, and exits without a message when loopback has the only
    one. It does not listen there: clients reach it by its socket file.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("127.0.0.1", 9))  # nothing is sent
        except OSError as error:
            raise StackError("127.0.0.1 cannot be reached; bring loopback up (ip link set lo up)") from error
        if embedded and sys.platform == "linux" and all(address[0] == 127 for address in _addresses(probe)):
            raise StackError(
                "the embedded database needs a network interface with an IPv4 address besides loopback; "
                "add one, as docs/operations.md shows, or name a server in DATABASE_URL"
            )


def _addresses(probe: socket.socket) -> Iterator[bytes]:
    """Yield the IPv4 address of each interface that has one."""
    for _, name in socket.if_nameindex():
        with contextlib.suppress(OSError):
            yield fcntl.ioctl(probe, _GET_ADDRESS, _REQUEST.pack(name.encode()))[20:24]


def lock(state: Path) -> IO[str]:
    """Reserve the state folder for this process until it ends, in whatever way. Keep the returned file open.

    Raises StackError when another stack has the folder.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        held = (state / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StackError(f"cannot keep the state in {state}: {error.strerror}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.seek(0)
        holder = held.read().strip() or "unknown"
        held.close()
        raise StackError(
            f"another stack (process {holder}) runs on {state}: stop it, or run this one with STATE=.local-2 PORT=5400"
        ) from error
    held.truncate(0)
    held.write(str(os.getpid()))
    held.flush()
    return held


def remember_port(options: Options) -> None:
    """Write the stack's port into the state folder: tokens name their issuer by it."""
    (options.state / "port").write_text(str(options.port), encoding="utf-8")


def port_of(state: Path) -> int:
    """Return the port that the stack of this folder runs on, or last ran on. Raises StackError when there was none."""
    try:
        return int((state / "port").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StackError(f"no stack has run on {state}; start one, or name another with --state or --port") from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, completely or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
