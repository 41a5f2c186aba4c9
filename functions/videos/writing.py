"""Script and storyboard, written by the language model: the storyboard a few scenes at a time, as long JSON is cut."""

from functools import cache
from typing import Any

from pydantic import BaseModel, Field, create_model

from longhaul.llm import prompts
from longhaul.workloads import StepContext
from videos.model import Scene, Script, Versioned, Video

SCENES_AT_ONCE = 8
SCRIPT_TOKENS, SCENE_TOKENS = 1_500, 500

_prompts = prompts.load(__file__)


def write_script(step: StepContext[Video], about: str) -> Script:
    """The script of what it is `about`. Raises as `Llm.ask` does, here and below."""
    video = step.params
    prompt = _prompts.render(
        "script",
        {"topic": (video.topic or about)[:200]},
        seconds=str(video.seconds),
        scenes=str(video.scenes),
        language=video.language,
        style=video.style or "natural",
        topic=about,
    )
    return step.llm.ask(prompt, Script, system=_prompts.system(), max_tokens=SCRIPT_TOKENS)


def write_scenes(
    step: StepContext[Video], script: Script, before: dict[int, Versioned[Scene]], first: int, last: int
) -> list[Scene]:
    """The scenes from `first` to `last`."""
    video, count = step.params, last - first + 1
    prompt = _prompts.render(
        "storyboard",
        {"topic": script.title, "first": first, "last": last},
        first=str(first),
        last=str(last),
        scenes=str(video.scenes),
        scene_seconds=str(video.scene_seconds),
        count=str(count),
        language=video.language,
        style=video.style or "natural",
        title=script.title,
        summary=script.summary,
        look=script.look or "as the summary has it",
        before="; ".join(f"{number}. {one.content.title}" for number, one in before.items() if number < first)
        or "none",
    )
    answer: Any = step.llm.ask(prompt, _storyboard(count), system=_prompts.system(), max_tokens=SCENE_TOKENS * count)
    scenes: list[Scene] = answer.scenes
    return scenes


def picture_prompt(style: str, script: Script, scene: Scene, length: int) -> str:
    """What the provider is asked for a scene's first frame. What is behind `length` its model would not read."""
    return ". ".join(part for part in (scene.prompt, script.look, style) if part)[:length]


def clip_prompt(style: str, script: Script, scene: Scene, length: int) -> str:
    """What the provider is asked for a scene's clip, as above."""
    return ". ".join(part for part in (scene.prompt, scene.motion, script.look, style) if part)[:length]


@cache
def _storyboard(count: int) -> type[BaseModel]:
    """So many scenes, so that an answer with fewer is refused."""
    return create_model("Storyboard", scenes=(list[Scene], Field(min_length=count, max_length=count)))
