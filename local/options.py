"""How a stack is to run: where its state is, on which ports, with what."""

import fcntl
import os
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
PORT = 3000
STATE = Path(".local")
LLM_KEY = "local-key"  # what the stand-in of the language model accepts
ACCESS_KEY = {"access_key_id": "local-id", "access_key_secret": "local-secret"}  # what OutboundBot's accepts
CURSOR_KEY = "local-cursors"  # what seals the cursors of pages
PARTS = ("gateway", "AWS", "providers", "runtime")  # on PORT, PORT + 1, ...


class StackError(Exception):
    """The stack can't run; the message is the reason, for people, on one line."""


@dataclass(frozen=True)
class Options:
    """`minute`: seconds that a minute of a schedule lasts. `parameters` go to the template, `environment` to all
    functions over what the template says. The functions' code lies beside the template. An `attached` stack ends when
    its standard input does: its starter is gone, however it went."""

    state: Path = STATE
    port: int = PORT
    database_url: str | None = None
    minute: float = 60.0
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    template: Path = ROOT / "template.yaml"
    attached: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def aws_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def provider_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def runtime_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 3}"

    @property
    def logs(self) -> Path:
        return self.state / "logs"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_ports(port: int) -> None:
    """Raise StackError naming the first of the stack's ports that is taken."""
    for offset, part in enumerate(PARTS):
        if not is_free(port + offset):
            raise StackError(f"port {port + offset} ({part}) is taken; choose others with PORT={port + 1000}")


def free_port() -> int:
    """Return a port that is free, as are those that follow from it."""
    for _ in range(200):
        port = random.randrange(20000, 32000, len(PARTS))
        if all(is_free(port + offset) for offset in range(len(PARTS))):
            return port
    raise StackError("no free ports between 20000 and 32000")


def lock(state: Path) -> IO[str]:
    """Make the state folder this process's until it ends, however it ends; keep what is returned.

    Raises StackError when another stack has it.
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
        raise StackError(f"another stack (process {holder}) runs on {state}") from error
    held.truncate(0)
    held.write(str(os.getpid()))
    held.flush()
    return held
