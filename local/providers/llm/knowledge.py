"""What the stand-in answers to each kind of question.

Divisions are real, hospitals and films are invented, conversations are judged by their words, and a role is made of the
material's own words. The same question always gets the same answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

from local.providers.conversations import analysis
from local.providers.llm import divisions, films
from local.providers.llm.hospitals import hospitals_page
from local.providers.llm.models import extract

MAX_POINTS = 6
MAX_TEXT = 200  # characters of a point


def answer(question: dict[str, Any], edition: int) -> dict[str, Any]:
    """Return the answer to a question's line of JSON. `edition`: see `hospitals`. KeyError for any other question."""
    answers: dict[str, Callable[[], dict[str, Any]]] = {
        "cities": lambda: _divisions("cities", divisions.cities(), question["province"]),
        "districts": lambda: _divisions("districts", divisions.districts(), question["city"]),
        "hospitals": lambda: hospitals_page(question["district"], edition, question["batch"], question["batch_size"]),
        "conversation": lambda: analysis(question["lines"], date.fromisoformat(question["today"])),
        "role": lambda: role({name: value for name, value in question.items() if name not in ("ask", "task_id")}),
        "brief": lambda: films.brief(question["message"], question["brief"]),
        "script": lambda: films.script(question["topic"]),
        "storyboard": lambda: films.storyboard(question["topic"], question["first"], question["last"]),
        "extraction": lambda: extract(question["answer"], question["brand"], question["competitors"]),
    }
    return answers[question["ask"]]()


def _divisions(kind: str, children: dict[str, list[divisions.Division]], parent: str) -> dict[str, Any]:
    return {kind: [asdict(child) for child in children.get(parent, [])]}


def role(material: Any) -> dict[str, Any]:
    """Return a role's document, under the names that a schema may have, from the texts of the material."""
    texts = list(_texts(material))
    who = "，".join(_clip(text, 60) for text in texts[:3]) or "一位专业的顾问"
    points = [_clip(text, MAX_TEXT) for text in texts[1 : 1 + MAX_POINTS]] or ["先了解客户的需求，再介绍产品"]
    return {
        "identity": f"你是{who}。",
        "tone": "亲切、专业、简洁，先听后说。",
        "opening": f"您好，我是{_clip(texts[0], 40) if texts else '顾问'}，方便占用您一分钟吗？",
        "talking_points": points,
        "objections": [
            {"objection": "价格太贵了", "answer": f"理解，您更看重什么？{points[0]}"},
            {"objection": "我再考虑一下", "answer": "好的，我把资料发给您，什么时候再联系合适？"},
        ],
        "taboos": ["不承诺收益或疗效", "不贬低竞争对手", "不追问隐私"],
    }


def _texts(material: Any) -> Iterator[str]:
    """Yield every text in the material, in order."""
    if isinstance(material, str) and material.strip():
        yield " ".join(material.split())
    elif isinstance(material, dict):
        for value in material.values():
            yield from _texts(value)
    elif isinstance(material, list):
        for value in material:
            yield from _texts(value)


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
