"""Texts that match a regular expression, such as the `pattern` of a JSON schema; no back references."""

import re
from collections.abc import Callable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]  # `re`'s own: no other reads all that `re` reads
from typing import Any

MORE = 3  # repetitions beyond the least where a pattern allows more
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CATEGORIES = {
    op.CATEGORY_DIGIT: "0123456789",
    op.CATEGORY_NOT_DIGIT: LETTERS,
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_SPACE: LETTERS,
    op.CATEGORY_WORD: LETTERS,
    op.CATEGORY_NOT_WORD: "-",
}
PRINTABLE = "".join(map(chr, range(32, 127)))

type Draw = Callable[[int], int]
"""`draw(n)` is one of 0 to n - 1."""


def matching(pattern: str, draw: Draw) -> str:
    """Return a text that the pattern matches as a whole, but for look-arounds: the caller tries until they hold.

    Raises ValueError for a pattern that cannot be read.
    """
    try:
        return _all(parser.parse(pattern), draw)
    except re.error as error:
        raise ValueError(f"no regular expression: {pattern}") from error


def _all(nodes: Any, draw: Draw) -> str:
    return "".join(_one(node, value, draw) for node, value in nodes)


def _one(node: Any, value: Any, draw: Draw) -> str:
    match node:
        case op.LITERAL:
            return chr(value)
        case op.NOT_LITERAL:
            return _chosen([one for one in LETTERS if one != chr(value)], draw)
        case op.ANY:
            return _chosen(LETTERS, draw)
        case op.IN:
            return _chosen(_members(value), draw)
        case op.AT | op.ASSERT | op.ASSERT_NOT:
            return ""
        case op.BRANCH:
            return _all(value[1][draw(len(value[1]))], draw)
        case op.SUBPATTERN:
            return _all(value[-1], draw)
        case op.MAX_REPEAT | op.MIN_REPEAT | op.POSSESSIVE_REPEAT:
            least, most, repeated = value
            times = least + draw(min(most - least, MORE) + 1)
            return "".join(_all(repeated, draw) for _ in range(times))
    raise ValueError(f"a pattern with {node} is not understood")


def _members(parts: Any) -> str:
    """The characters of a set; of one that excludes some, the printable others."""
    named, excludes = "", False
    for node, value in parts:
        match node:
            case op.NEGATE:
                excludes = True
            case op.LITERAL:
                named += chr(value)
            case op.RANGE:
                first, last = value
                named += "".join(map(chr, range(first, min(last, first + 255) + 1)))
            case op.CATEGORY:
                named += CATEGORIES[value]
    if not excludes:
        return named
    # A category stands here for all of its kind: `[^\\w]` excludes capitals too.
    gone = set(named) | {
        one for one in PRINTABLE if any(_is(value, one) for node, value in parts if node == op.CATEGORY)
    }
    return "".join(one for one in LETTERS + PRINTABLE if one not in gone)


def _is(category: Any, character: str) -> bool:
    written = {
        op.CATEGORY_DIGIT: r"\d", op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_SPACE: r"\s",
        op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
    }  # fmt: skip
    return re.fullmatch(written[category], character) is not None


def _chosen(characters: Any, draw: Draw) -> str:
    if not characters:
        raise ValueError("a set of the pattern is empty")
    return str(characters[draw(len(characters))])
