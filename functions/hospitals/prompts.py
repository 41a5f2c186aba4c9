"""What the language model is told: one Markdown file each in `prompts/`.

A prompt ends with one line of JSON that says the same in a form a program can read; the local stand-in for the model
answers that line.
"""

import json
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

_FOLDER = Path(__file__).with_name("prompts")


@cache
def _template(name: str) -> Template:
    return Template((_FOLDER / f"{name}.md").read_text(encoding="utf-8").strip())


def system() -> str:
    return _template("system").substitute()


def render(name: str, question: dict[str, Any], **values: str) -> str:
    """The prompt `name`, its blanks filled with `values`. KeyError when one is left."""
    request = json.dumps({"ask": name, **question}, ensure_ascii=False)
    return _template(name).substitute(values, request=request)
