"""The demo of hospitals: one province is refreshed, or all of them; then the directory's first page."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.table import Table

from local.demo.api import Document, ask
from local.demo.workload import seconds
from local.running import RunningStack

PAGE_SIZE = 10
FIGURES = ("cities", "districts", "hospitals", "added", "changed", "unchanged", "gone")


@dataclass(frozen=True)
class Hospitals:
    """`province`: its name or code; None means all."""

    province: str | None

    minute: ClassVar[float] = 60.0
    parameters: ClassVar[Mapping[str, str]] = {}

    def submit(self, stack: RunningStack) -> Document:
        if self.province is None:
            return ask(stack, "POST", "/api/v1/tasks", {"kind": "hospital_full_refresh", "params": {}})
        body = {"kind": "hospital_province_refresh", "params": {"province": self.province}}
        return ask(stack, "POST", "/api/v1/tasks", body)

    def doing(self, task: Document) -> str:
        return str(task["current_step"] or task["status"])

    def summary(self, task: Document) -> Mapping[str, object]:
        result = task["result"] or {}
        failed = result.get("failed", [])
        return {
            **{name: result.get(name, "") for name in FIGURES},
            "seconds": seconds(task),
            "steps failed": f"{len(failed)} {' '.join(step['name'] for step in failed[:5])}".strip(),
        }

    def show(self, console: Console, stack: RunningStack, task: Document) -> None:
        """The first page of the directory."""
        query = {"page_size": str(PAGE_SIZE), **({"province": self.province} if self.province else {})}
        page = ask(stack, "GET", f"/api/v1/hospitals?{urllib.parse.urlencode(query)}")
        title = f"The first {len(page['items'])} of {page['total']} hospitals (made up) from GET /api/v1/hospitals"
        table = Table("district", "hospital", "level", "address", title=title, title_justify="left")
        for hospital in page["items"]:
            table.add_row(*(hospital[name] for name in ("district_name", "name", "level", "address")))
        console.print(table)
