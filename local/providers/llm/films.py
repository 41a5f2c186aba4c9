"""Briefs, scripts and storyboards of films: invented from the topic, the same for the same topic."""

import re
from typing import Any

from local.providers.faults import draw

SHOTS = ("A wide view", "A close view", "A view from above", "A slow pan", "A view through a window", "A still")
HOURS = ("at first light", "in the morning", "at noon", "in the late afternoon", "at dusk", "at night")
MOTIONS = ("the camera glides to the left", "the camera rises slowly", "leaves move in the wind", "clouds pass by")
SENTENCES = (
    "This is where it begins: {topic}.",
    "Look closer, and {topic} is more than it seems.",
    "Nobody planned it, and yet here it is.",
    "What comes now takes its time.",
    "And then, almost unseen, something changes.",
    "So it goes on, as it always has.",
)


def script(topic: str) -> dict[str, Any]:
    """Return a title, a summary and a look."""
    return {
        "title": _clip(topic, 60),
        "summary": f"A short film: {_clip(topic, 300)}. It begins quietly, looks closer, and ends where it began.",
        "look": "one place and the same few people throughout, soft light, muted colours",
    }


def storyboard(topic: str, first: int, last: int) -> dict[str, Any]:
    """Return the scenes from `first` to `last`."""
    return {"scenes": [_scene(topic, number) for number in range(first, last + 1)]}


def brief(message: str, known: dict[str, Any]) -> dict[str, Any]:
    """Return a reply and a brief, by what a message says: a length, an aspect, a style, the rest is the topic."""
    said = {
        "topic": message,
        "seconds": _number(re.search(r"(\d+) ?(?:s\b|sec|秒)", message)),
        "aspect": _found(re.search(r"\b(16:9|9:16|1:1)\b", message)),
        "style": _found(re.search(r"(?:style|风格)[:：]? *([\w -]+)", message)),
        "language": "zh" if re.search(r"[\u3400-\u9fff]", message) else "en",
    }
    whole = {name: known.get(name) if known.get(name) is not None else value for name, value in said.items()}
    lacks = [name for name, value in whole.items() if value is None]
    reply = f"Please say also: {', '.join(lacks)}." if lacks else f"A film about this will be made: {whole['topic']}."
    return {"reply": reply, "brief": whole}


def _number(match: re.Match[str] | None) -> int | None:
    return min(180, max(5, int(match[1]))) if match else None


def _found(match: re.Match[str] | None) -> str | None:
    return match[1].strip() if match else None


def _scene(topic: str, number: int) -> dict[str, str]:
    shot, motion = draw(topic, number)
    hour = HOURS[(number - 1) % len(HOURS)]
    return {
        "title": f"Scene {number}, {hour}",
        "narration": SENTENCES[(number - 1) % len(SENTENCES)].format(topic=_clip(topic[:1].lower() + topic[1:], 80)),
        "prompt": f"{SHOTS[int(shot * len(SHOTS))]} {hour}: {_clip(topic, 200)}",
        "motion": MOTIONS[int(motion * len(MOTIONS))],
    }


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
