"""For the client's tests: a server with scripted replies, and short pauses between tries."""

from collections.abc import Iterator

import pytest

from longhaul_client import TaskManager, connections, retrying
from tests.client.scripted import TICKETS, Scripted, no_sockets, scripted


@pytest.fixture(scope="session")
def running() -> Iterator[Scripted]:
    with scripted() as server:
        yield server


@pytest.fixture
def server(running: Scripted, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setenv("LONGHAUL_URL", running.url)
    monkeypatch.setenv("LONGHAUL_TOKEN", "token-1")
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(connections, "POLL_SECONDS", 0.05)
    running.will()
    running.special = {TICKETS: no_sockets}
    return running


@pytest.fixture
def manager(server: Scripted) -> TaskManager:
    return TaskManager()
