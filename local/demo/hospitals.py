"""The demo of hospitals: a refresh of one province or of all, then the directory's first page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.table import Table

from local.demo.running import seconds
from local.running import RunningStack
from longhaul_client import display
from longhaul_client.api import Api
from longhaul_client.documents import Document
from longhaul_client.resources import Directory, Tasks

PAGE_SIZE = 10
FIGURES = ("cities", "districts", "hospitals", "added", "changed", "unchanged", "gone")


@dataclass(frozen=True)
class Hospitals:
    """A refresh of `province` (its name or code; None means all)."""

    province: str | None

    minute: ClassVar[float] = 60.0
    parameters: ClassVar[Mapping[str, str]] = {}

    async def submit(self, api: Api, stack: RunningStack) -> str:
        kind = "hospital_full_refresh" if self.province is None else "hospital_province_refresh"
        params = {"province": self.province} if self.province else {}
        return str((await Tasks(api).submit(kind, params))["task_id"])

    def doing(self, task: Document) -> str:
        return display.doing(task)

    def summary(self, task: Document) -> Mapping[str, object]:
        result = task["result"] or {}
        failed = result.get("failed", [])
        return {
            **{name: result.get(name, "") for name in FIGURES},
            "seconds": seconds(task),
            "steps failed": f"{len(failed)} {' '.join(step['name'] for step in failed[:5])}".strip(),
        }

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print the first page of the directory."""
        page = await Directory(api).get_hospitals({"page_size": PAGE_SIZE, "province": self.province})
        title = f"The first {len(page['items'])} of {page['total']} hospitals (made up) from GET /api/v1/hospitals"
        table = Table("district", "hospital", "level", "address", title=title, title_justify="left")
        for hospital in page["items"]:
            table.add_row(*(hospital[name] for name in ("district_name", "name", "level", "address")))
        console.print(table)
