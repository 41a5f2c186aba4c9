"""The demo of videos: a film of half a minute, from its topic to a file that a player plays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.demo.running import fetch, seconds
from local.running import RunningStack
from longhaul_client import display
from longhaul_client.api import Api
from longhaul_client.documents import Document
from longhaul_client.resources import Tasks

TOPIC = "How the tide turns a quiet harbour into a busy one, and back again"
SCALE = 0.25  # of 1280 x 720: a real provider's sizes take a core for minutes


@dataclass(frozen=True)
class Videos:
    """A film of TOPIC."""

    minute: ClassVar[float] = 60.0
    parameters: ClassVar[Mapping[str, str]] = {}

    async def submit(self, api: Api, stack: RunningStack) -> str:
        fetch(f"{stack.provider_url}/control", "PUT", {"videos": {"job_seconds": 3, "scale": SCALE}})
        params = {"topic": TOPIC, "seconds": 30, "style": "watercolour", "max_cost": "30"}
        return str((await Tasks(api).submit("video_generation", params))["task_id"])

    def doing(self, task: Document) -> str:
        return display.doing(task)

    def summary(self, task: Document) -> Mapping[str, object]:
        result = task["result"]
        return {
            "scenes": result["scenes"],
            "missing": len(result["missing"]),
            "length": f"{result['seconds']:.1f} s",
            "cost, yuan (of a stand-in)": result["cost"],
            "seconds": seconds(task),
        }

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print the scenes, and save the film with its subtitles."""
        video = await api.get(f"/api/v1/videos/{task['task_id']}", expects=("scenes", "film"))
        table = Table(
            "scene", "said", "picture", "clip", title=video["script"]["content"]["title"], title_justify="left"
        )
        for scene in video["scenes"]:
            clip = scene["clip"]
            size = f"{clip['width']} x {clip['height']}, {clip['seconds']:.1f} s" if clip else "missing"
            content = scene["content"]
            table.add_row(f"{scene['sequence_number']}", Text(content["narration"]), Text(content["prompt"]), size)
        console.print(table)
        for name, suffix in (("film", "mp4"), ("subtitles", "vtt")):
            path = stack.options.state / f"film.{suffix}"
            path.write_bytes(fetch(video[name]["url"]))
            console.print(
                f"The {name} ({video[name]['bytes']:,} bytes): {path.resolve()}", soft_wrap=True, highlight=False
            )
