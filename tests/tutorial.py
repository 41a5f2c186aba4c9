"""The code blocks of docs/your-first-workload.md, as a reader would run them one after the other."""

import re
from typing import NamedTuple

from local.options import ROOT

PAGE = ROOT / "docs" / "your-first-workload.md"
NAME = "summarise_texts"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    text: str

    @property
    def runs_on_stack(self) -> bool:
        """Whether it speaks to a running stack; the others run in a process of their own."""
        if self.language == "python":
            return "longhaul_client" in self.text
        return self.language == "sh" and "longhaul " in self.text


def blocks(language: str = "") -> list[Block]:
    """Those of a language, or all, in their order."""
    found = [Block(*match.groups()) for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]
    return [block for block in found if language in ("", block.language)]


def workload() -> str:
    """The file that the page has its reader write."""
    return next(block.text for block in blocks("python"))
