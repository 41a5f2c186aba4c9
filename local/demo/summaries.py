"""The demo of a code-first workload: each of forty notes in one sentence, then the first results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.demo.running import seconds
from local.running import RunningStack
from longhaul_client import display
from longhaul_client.api import Api
from longhaul_client.documents import Document
from longhaul_client.resources import Tasks

SHOWN = 8
TEXTS = tuple(
    f"{who} {what}. {why}, which nobody had expected, and so the meeting that was planned for Friday is moved."
    for who in ("The bakery", "The lighthouse", "The city library", "The night train", "The school choir")
    for what, why in (
        ("opens an hour earlier from Monday", "The new oven arrived"),
        ("is closed for repairs until spring", "Rain came through the roof"),
        ("looks for two volunteers", "The last ones moved away"),
        ("has found the missing key", "It lay under the third step"),
        ("celebrates its hundredth year", "The founder's letters were found"),
        ("tries a quieter bell", "The neighbours signed a letter"),
        ("gives away its old chairs", "New ones were donated"),
        ("starts to take cards", "The till had broken"),
    )
)


@dataclass(frozen=True)
class Summaries:
    """One task of forty texts."""

    minute: ClassVar[float] = 60.0
    parameters: ClassVar[Mapping[str, str]] = {}

    async def submit(self, api: Api, stack: RunningStack) -> str:
        return str((await Tasks(api).submit("text_summaries", {"texts": list(TEXTS)}))["task_id"])

    def doing(self, task: Document) -> str:
        return display.doing(task)

    def summary(self, task: Document) -> Mapping[str, object]:
        return {**task["result"], "tokens": task["statistics"].get("tokens", ""), "seconds": seconds(task)}

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print the first page of results."""
        path = f"/api/v1/tasks/{task['task_id']}/results"
        page = await api.get(path, {"limit": SHOWN}, expects=("items", "next_cursor"))
        title = f"The first {len(page['items'])} of {len(TEXTS)} summaries, by a stand-in for the LLM"
        table = Table("item", "status", "summary", title=title, title_justify="left")
        for item in page["items"]:
            table.add_row(item["label"], item["status"], Text(item["output"].get("summary", "")))
        console.print(table)
        console.print(f"The rest: GET {path}?cursor=... or longhaul results", soft_wrap=True, highlight=False)
