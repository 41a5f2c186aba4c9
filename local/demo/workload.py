"""What there is to say about a workload, for a demo to run it: over the public API and the providers' control only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from rich.console import Console

from local.running import RunningStack
from longhaul_client.api import Api
from longhaul_client.errors import Document


class Workload(Protocol):
    @property
    def minute(self) -> float:
        """Seconds that a minute of the stack's schedules lasts."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Of the template, where the defaults would take too long."""

    async def submit(self, api: Api, stack: RunningStack) -> str:
        """Submit the task; return its id."""

    def doing(self, task: Document) -> str:
        """What is going on, in a few words."""

    def summary(self, task: Document) -> Mapping[str, object]:
        """The figures of a task that has SUCCEEDED, by name."""

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print what came of it, as the API serves it."""


def seconds(task: Document) -> str:
    """How long the task ran, by the database's clock."""
    begin, end = (datetime.fromisoformat(task[name]) for name in ("started_at", "finished_at"))
    return f"{(end - begin).total_seconds():.1f}"
