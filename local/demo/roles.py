"""The demo of roles: upload a clinic's material, create a role from it, and show the role as it is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo.running import seconds
from local.running import RunningStack
from longhaul_client import display
from longhaul_client.api import Api
from longhaul_client.documents import Document
from longhaul_client.resources import Tasks

OWN_TASK = "demo"  # the tenant's own id of the material
PARAMS = {"task_id": OWN_TASK, "strategy_id": "spring"}

MATERIAL: Mapping[str, Document] = {
    "base-info": {
        "company": "晨光口腔",
        "industry": "口腔医疗",
        "role_name": "小晨",
        "goal": "邀约三个月内咨询过种植牙的客户到店检查",
        "audience": "四十岁以上、缺牙一颗以上的客户",
        "introduction": "社区口腔诊所，开业十二年，三位种植医生。",
    },
    "talk-style": {
        "tone": "亲切、专业、不催促",
        "phrases": ["您放心", "您看哪天方便"],
        "avoid": ["保证治好", "最便宜"],
        "sample": "您好，我是晨光口腔的小晨，上次您问过种植牙，想跟您说一下检查的事。",
    },
    "products": {
        "items": [
            {
                "name": "种植牙检查套餐",
                "description": "拍片、会诊、方案各一次。",
                "price": "免费",
                "selling_points": ["当天出方案", "可以带走片子"],
            },
            {"name": "单颗种植", "description": "含材料与手术。", "price": "6,980 元起", "selling_points": ["可分期"]},
        ]
    },
    "knowledge": {
        "items": [
            {"title": "疗程", "content": "一般三到六个月，中间要来三次左右。"},
            {"title": "医保", "content": "检查费用可部分报销，种植材料不在报销范围。"},
        ]
    },
}


@dataclass(frozen=True)
class Roles:
    """The creation of one role."""

    minute: ClassVar[float] = 60.0
    parameters: ClassVar[Mapping[str, str]] = {}

    async def submit(self, api: Api, stack: RunningStack) -> str:
        """Upload the material and submit the creation of the role."""
        for kind, body in MATERIAL.items():
            await api.send("PUT", f"/api/v1/role-tasks/{OWN_TASK}/{kind}", body=body)
        return str((await Tasks(api).submit("role_creation", PARAMS))["task_id"])

    def doing(self, task: Document) -> str:
        return display.doing(task)

    def summary(self, task: Document) -> Mapping[str, object]:
        result = task["result"]
        names = ("role_id", "version", "model", "tokens", "cost")
        missing = ", ".join(result["missing"]) or "nothing"
        return {**{name: result[name] for name in names}, "missing": missing, "seconds": seconds(task)}

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print the role as its readers get it."""
        path = f"/api/v1/roles/{task['result']['role_id']}"
        role = await api.get(path)
        title = f"Version {role['version']}, written by a stand-in for the LLM"
        console.print(Panel(_rendered(role["content"]), title=title, title_align="left"))
        console.print(f"Read it again at GET {path}", soft_wrap=True, highlight=False)


def _rendered(content: Document) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 1, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name in ("identity", "tone", "opening"):
        table.add_row(name, Text(content[name]))
    table.add_row(
        "talking points", Text("\n".join(f"{n}. {point}" for n, point in enumerate(content["talking_points"], 1)))
    )
    for objection in content["objections"]:
        table.add_row("objection", Text(f"“{objection['objection']}”\n→ {objection['answer']}"))
    table.add_row("taboos", Text("\n".join(f"✗ {taboo}" for taboo in content["taboos"])))
    return table
