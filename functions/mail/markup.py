"""HTML of a mail and of a page: the files in `templates/`, their blanks filled with escaped text."""

from functools import cache
from html import escape
from pathlib import Path
from string import Template

_FOLDER = Path(__file__).with_name("templates")


class Html(str):
    """Text that is HTML already, and is not escaped."""

    __slots__ = ()


def fill(name: str, **values: str) -> Html:
    """The template `name` with these values. KeyError when a blank has none."""
    safe = {key: value if isinstance(value, Html) else escape(value) for key, value in values.items()}
    return Html(_template(name).substitute(safe))


@cache
def _template(name: str) -> Template:
    return Template((_FOLDER / f"{name}.html").read_text(encoding="utf-8"))
