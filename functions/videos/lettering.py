"""Text in pictures: subtitles burnt into a clip, and the title card.

PyAV's FFmpeg has no filter that draws text, so Pillow draws it in Noto Sans SC, which is in the media layer: only the
functions that have it call what is here.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

# Languages whose letters the font has: of Latin and Cyrillic not all, and no accented Greek.
# fmt: off
LANGUAGES = frozenset((
    "bg", "ca", "da", "de", "en", "es", "eu", "fi", "fr", "ga", "gl", "id", "is",
    "it", "ja", "ms", "nb", "nl", "no", "pt", "ru", "sq", "sv", "vi", "zh",
))
# fmt: on
LINES = 2  # of a subtitle at a time: longer ones follow each other
TITLE_LINES = 4
SIZE, TITLE_SIZE, MARGIN = 0.055, 0.1, 0.06  # of the shorter side; of each side
LINE = 1.75  # of a letter's size: what a line with its outline takes
MIN_SIZE = 8  # pixels
DARKENED = 0.3
ABSENT = "\U0010ffff"  # no font has a glyph for it
# Where a line may begin: behind white space, at and behind each Chinese or Japanese character.
_WIDE = "\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef"
_PIECES = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}]+|\s+")
_NEVER_FIRST = frozenset("，。！？、；：）》〉」』】〕…—ー％,.!?;:)]}%’”")
_NEVER_LAST = frozenset("（《〈「『【〔([{‘“")
_NARROW = str.maketrans("‘’“”", "''\"\"")  # the font's own are as wide as a Chinese character


def subtitle_frames(text: str, width: int, height: int, seconds: float) -> list[tuple[float, "Image"]]:
    """Transparent pictures of a subtitle for the lower edge of a picture, each with the second at which it appears.

    What is longer than two lines is shown in parts, each for its share of the seconds. All are of one size.
    """
    font = _font(_size(width, height, SIZE))
    lines = _wrapped(text, font, width * (1 - 2 * MARGIN))
    parts = [lines[first : first + LINES] for first in range(0, len(lines), LINES)]
    letters, start = sum(map(len, lines)), 0.0
    frames = []
    for part in parts:
        frames.append((start, _box(part, font, width, height)))
        start += seconds * sum(map(len, part)) / letters
    return frames


def title_card(picture: "Image", title: str) -> "Image":
    """The picture darkened, with the title in its middle."""
    from PIL import ImageEnhance

    card = ImageEnhance.Brightness(picture.convert("RGB")).enhance(DARKENED)
    room, size = card.width * (1 - 2 * MARGIN), _size(card.width, card.height, TITLE_SIZE)
    lines = _wrapped(title, _font(size), room)
    while len(lines) > TITLE_LINES and size > MIN_SIZE:
        size -= 1
        lines = _wrapped(title, _font(size), room)
    middle = (card.width / 2, card.height / 2)
    _write(card, lines, middle, _font(size), "mm")
    return card


def _box(lines: Sequence[str], font: "FreeTypeFont", width: int, height: int) -> "Image":
    """The lines at the lower edge of a picture's whole width, with the margin below them. Its sides are even."""
    from PIL import Image

    below = round(height * MARGIN)
    tall = 2 * round((LINES * LINE * font.size + below) / 2)
    box = Image.new("RGBA", (width, tall))
    _write(box, lines, (width / 2, tall - below), font, "md")
    return box


def _write(
    picture: "Image", lines: Sequence[str], place: tuple[float, float], font: "FreeTypeFont", anchor: str
) -> None:
    """Write in white with a black outline, which is read on any picture."""
    from PIL import ImageDraw

    stroke = max(1, round(font.size / 14))
    ImageDraw.Draw(picture).multiline_text(
        place,
        "\n".join(lines),
        "white",
        font,
        anchor=anchor,
        align="center",
        spacing=0,
        stroke_width=stroke,
        stroke_fill="black",
    )


def _wrapped(text: str, font: "FreeTypeFont", room: float) -> list[str]:
    """Lines that are no wider than `room`."""
    shown, lines = " ".join(_writable(text, font).split()), [""]
    for piece in _unbroken(shown if re.search(f"[{_WIDE}]", shown) else shown.translate(_NARROW)):
        longer = (lines[-1] + piece).lstrip()
        if font.getlength(longer.rstrip()) <= room:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in piece.lstrip():  # a piece that is wider than a line is broken anywhere
            if font.getlength(lines[-1] + letter) > room:
                lines.append("")
            lines[-1] += letter
    return [stripped for line in lines if (stripped := line.strip())]


def _unbroken(text: str) -> Iterator[str]:
    """The text in pieces that stay on one line: closing punctuation stays behind a word, opening before it."""
    held = ""
    for piece in _PIECES.findall(text):
        if held and held[-1] not in _NEVER_LAST and piece[0] not in _NEVER_FIRST:
            yield held
            held = ""
        held += piece
    if held:
        yield held


@cache
def _writable(text: str, font: "FreeTypeFont") -> str:
    """The text in letters that the font has: without its accents where it lacks those (Dvořák), else left out."""

    def letters(one: str) -> str:
        if one.isspace() or _is_known(font, one):
            return one
        parts = unicodedata.normalize("NFKD", one)
        return "".join(part for part in parts if not unicodedata.combining(part) and _is_known(font, part))

    return "".join(map(letters, unicodedata.normalize("NFC", text)))


def _is_known(font: "FreeTypeFont", letter: str) -> bool:
    return bytes(font.getmask(letter)) != bytes(font.getmask(ABSENT))


def _size(width: int, height: int, share: float) -> int:
    return max(MIN_SIZE, round(min(width, height) * share))


@cache
def _font(size: int) -> "FreeTypeFont":
    from PIL import ImageFont
    from pylopdf_fonts_zh_cn import sans_path

    return ImageFont.truetype(sans_path(), size, layout_engine=ImageFont.Layout.BASIC)
