"""The demo of diagnosis: twelve questions to three models about an invented brand, then the report as tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.table import Table

from local.demo.running import fetch, seconds
from local.running import RunningStack
from longhaul_client import display
from longhaul_client.api import Api
from longhaul_client.documents import Document
from longhaul_client.resources import Tasks

BRAND, COMPETITORS = "星野", ("Lumo", "北辰", "Arkona", "青柠")
MODELS = ("deepseek", "qwen", "doubao")
QUESTIONS = (
    "20 万元买什么电动车好？",
    "冬天续航最实在的电动车是哪一款？",
    "家里有两个孩子，选哪一款车？",
    "哪个品牌的售后最省心？",
    "智能驾驶谁做得最好？",
    "三年后最保值的品牌是哪个？",
    "充电最快的是哪一家？",
    "哪个品牌的车内用料最好？",
    "长途自驾推荐哪一款？",
    "女生通勤开什么车合适？",
    "Which electric car would you buy this year?",
    "口碑最好的国产新品牌有哪些？",
)
FIGURES = {"mention_rate": "named", "share_of_voice": "voice", "mean_rank": "rank", "sentiment": "mood"}
CELLS = ("planned", "answered", "failed", "skipped")
LATENCY_MS = 400  # of each model, so that there is something to watch


@dataclass(frozen=True)
class Diagnosis:
    """A diagnosis of BRAND."""

    minute: ClassVar[float] = 60.0
    parameters: ClassVar[Mapping[str, str]] = {}

    async def submit(self, api: Api, stack: RunningStack) -> str:
        models = {name: {"latency_ms": LATENCY_MS} for name in MODELS}
        fetch(f"{stack.provider_url}/control", "PUT", {"brands": [BRAND, *COMPETITORS], "models": models})
        params = {"brand": BRAND, "competitors": COMPETITORS, "questions": QUESTIONS, "models": MODELS}
        return str((await Tasks(api).submit("brand_diagnosis", params))["task_id"])

    def doing(self, task: Document) -> str:
        return display.doing(task)

    def summary(self, task: Document) -> Mapping[str, object]:
        result = task["result"]
        return {
            **{name: result["cells"][name] for name in CELLS},
            **{name.replace("_", " "): _shown(name, result[name]) for name in FIGURES},
            "tokens": result["tokens"],
            "cost, yuan": f"{result['cost']:.4f}",
            "seconds": seconds(task),
        }

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print the report by model and by question, and how often competitors were named."""
        place = f"/api/v1/diagnoses/{task['task_id']}"
        report = (await api.get(place))["report"]
        console.print(f"\nGET {place}, on answers that stand-ins for the models made up")
        console.print(_figures("By model", [(one["model"], one) for one in report["by_model"]]))
        by_question = [(f"{one['question']} {one['text']}", one) for one in report["by_question"]]
        console.print(_figures("By question", by_question))
        rivals = Table("competitor", "named", "voice", title="Beside it", title_justify="left")
        for rival in report["rivals"]:
            rivals.add_row(rival["name"], *(_shown(name, rival[name]) for name in ("mention_rate", "share_of_voice")))
        console.print(rivals)
        for name in ("strengths", "gaps"):
            found = ", ".join(finding["question"] for finding in report[name])
            console.print(f"{name}: {found or 'none'}")


def _figures(title: str, rows: list[tuple[str, Document]]) -> Table:
    table = Table("", "answers", *FIGURES.values(), title=f"{BRAND} {title.lower()}", title_justify="left")
    for label, figures in rows:
        table.add_row(label, str(len(figures["answered"])), *(_shown(name, figures[name]) for name in FIGURES))
    return table


def _shown(name: str, figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:.0%}" if name in ("mention_rate", "share_of_voice") else f"{figure:.2f}"
