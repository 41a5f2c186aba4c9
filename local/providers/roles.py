"""The role that the stand-in writes: made of the material's own words, the same for the same material."""

from collections.abc import Iterator
from typing import Any

MOST_POINTS = 6
MOST_TEXT = 200


def role(material: Any) -> dict[str, Any]:
    """A role's document, in the names a schema may ask for, from whatever texts the material holds."""
    texts = list(_texts(material))
    who = "，".join(_clip(text, 60) for text in texts[:3]) or "一位专业的顾问"
    points = [_clip(text, MOST_TEXT) for text in texts[1 : 1 + MOST_POINTS]] or ["先了解客户的需求，再介绍产品"]
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
    """Every text in the material, in its order."""
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
