"""A domain's prompts: Markdown files in the `prompts/` beside its modules, loaded where they are used.

    _prompts = prompts.load(__file__)
    prompt = _prompts.render("cities", {"province": code}, place=name, code=code)

A prompt ends with one line of JSON that repeats the request for programs; the local stand-in for the model answers it.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from string import Template
from typing import Any


class Prompts:
    """The prompts of one folder, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = cache(self._read)

    def system(self) -> str:
        """The message of the role `system`: `system.md`."""
        return self._template("system").substitute()

    def render(self, name: str, question: dict[str, Any], **values: str) -> str:
        """The prompt `name`, its blanks filled with `values`. KeyError when a blank has no value."""
        request = json.dumps({"ask": name, **question}, ensure_ascii=False)
        return self._template(name).substitute(values, request=request)

    def version(self, *names: str) -> str:
        """The version of these prompts' texts: 12 hex digits of their SHA-256."""
        texts = [self._template(name).template for name in names]
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]

    def _read(self, name: str) -> Template:
        return Template((self._folder / f"{name}.md").read_text(encoding="utf-8").strip())


def load(module_file: str) -> Prompts:
    """The prompts in the `prompts/` beside `module_file`."""
    return Prompts(Path(module_file).with_name("prompts"))
