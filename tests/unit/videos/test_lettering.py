"""Text as it is drawn into pictures."""

import pytest
from PIL import Image

from videos import lettering

LONG = "Twice a day the sea leaves the harbour, and twice a day it comes back with everything that it has borrowed."


def extent(picture: Image.Image) -> tuple[int, int, int, int]:
    """Where there is something on a transparent picture: left, top, right and bottom."""
    box = picture.getchannel("A").getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (720, 720), (160, 90)])
@pytest.mark.parametrize("text", [LONG, "潮水一天两次离开港口，又一天两次带着它借走的一切悄悄回来。", "w" * 300])
def test_subtitles_stay_within_the_margins_on_every_aspect(size: tuple[int, int], text: str) -> None:
    width, height = size
    frames = lettering.subtitle_frames(text, width, height, 5)
    assert len({frame.size for _, frame in frames}) == 1
    for _, frame in frames:
        left, top, right, bottom = extent(frame)
        assert left >= width * 0.05
        assert right <= width * 0.95
        assert top > 0
        assert frame.height - bottom >= height * 0.03


def test_a_subtitle_has_two_lines_at_most_and_its_parts_share_the_time() -> None:
    (start, one), *others = lettering.subtitle_frames(LONG * 3, 1280, 720, 10)
    assert start == 0
    assert len(others) == 2
    assert [round(start) for start, _ in others] == [4, 7]
    tall = extent(one)[3] - extent(one)[1]
    single = extent(lettering.subtitle_frames("harbour", 1280, 720, 10)[0][1])
    assert tall < 3 * (single[3] - single[1])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("潮水一天两次离开。", ["潮水一天两", "次离开。"]),
        ("潮水一天两，次离开", ["潮水一天", "两，次离开"]),
        ("潮水一天《两次》离开", ["潮水一天", "《两次》离", "开"]),
        ("潮🙂水", ["潮水"]),
        ("a \ud83d b", ["a b"]),
        ("it’s", ["it's"]),
        ("Dvořák", ["Dvorák"]),
        ("na\u0308ive", ["näive"]),
        ("  one \n two ", ["one two"]),
        ("", []),
    ],
)
def test_lines_break_where_a_reader_expects_it(text: str, lines: list[str]) -> None:
    font = lettering._font(40)
    assert lettering._wrapped(text, font, 205) == lines


def test_a_letter_is_white_with_a_black_outline() -> None:
    ((_, frame),) = lettering.subtitle_frames("I", 1280, 720, 5)
    left, top, right, bottom = extent(frame)
    row = [frame.getpixel((x, (top + bottom) // 2)) for x in range(left, right)]
    assert (255, 255, 255, 255) in row
    assert (0, 0, 0, 255) in row[: len(row) // 2]
    assert (0, 0, 0, 255) in row[len(row) // 2 :]


def test_a_title_gets_smaller_until_it_fits() -> None:
    plain = Image.new("RGB", (320, 180), "white")
    short, long = (lettering.title_card(plain, title) for title in ("Tides", "Tides of the harbour " * 6))
    dark = short.getpixel((1, 1))
    assert isinstance(dark, tuple)
    assert max(dark) < 100
    assert long.getpixel((1, 1)) == dark
    for card in (short, long):
        box = Image.eval(card.convert("L"), lambda value: 255 if value > 120 else 0).getbbox()
        assert box is not None
        assert box[0] >= 10
        assert box[2] <= 310
        assert 20 < box[1] < box[3] < 160


LATIN = "abcdefghijklmnopqrstuvwxyz"
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъьюя"
ALPHABETS = {
    "bg": CYRILLIC,
    "ca": LATIN + "àçèéíïòóúü·",
    "da": LATIN + "æøåé",
    "de": LATIN + "äöüß",
    "en": LATIN,
    "es": LATIN + "áéíñóúü¿¡",
    "eu": LATIN + "ñç",
    "fi": LATIN + "äöå",
    "fr": LATIN + "àâæçéèêëîïôœùûü«»",
    "ga": LATIN + "áéíóú",
    "gl": LATIN + "áéíñóúü",
    "id": LATIN,
    "is": LATIN + "áðéíóúýþæö",
    "it": LATIN + "àèéìíîòóùú",
    "ja": "あいうえおんがぱアイウエオンガパー、。々〆漢字",
    "ms": LATIN,
    "nb": LATIN + "æøå",
    "nl": LATIN + "éëïóöü",
    "no": LATIN + "æøå",
    "pt": LATIN + "áâãàçéêíóôõú",
    "ru": CYRILLIC + "ёыэ",
    "sq": LATIN + "çë",
    "sv": LATIN + "åäöé",
    "vi": LATIN + "ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
    "zh": "的一是不了人我在有他这中大来上国，。！？《》",
}


@pytest.mark.parametrize("language", sorted(lettering.LANGUAGES))
def test_the_font_has_every_letter_of_a_language_that_is_taken(language: str) -> None:
    letters = ALPHABETS[language].replace("ß", "") + ALPHABETS[language].upper()
    assert lettering._writable(letters + "ß", lettering._font(40)) == letters + "ß"
