"""Pictures and clips: a moving test pattern in a colour of the prompt's own, and a tone. Each is made once."""

import io
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import av
from av.filter import Graph

from local.providers.faults import draw

FRAMES_A_SECOND = 12
COLOURS = 8  # as many clips of a size are made, however many prompts there are
RATE = 48_000


def picture(prompt: str, width: int, height: int) -> bytes:
    """A PNG."""
    return _picture(_colour(prompt), width, height)


def clip(prompt: str, width: int, height: int, seconds: float, *, sound: bool = True, sight: bool = True) -> bytes:
    """An MP4 with H.264 and AAC."""
    return _clip(_colour(prompt), width, height, seconds, sound, sight)


def _colour(prompt: str) -> int:
    return int(draw(prompt, "colour")[0] * COLOURS)


@lru_cache(maxsize=64)
def _picture(colour: int, width: int, height: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="image2pipe") as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
        for frame in _pattern(colour, width, height, 1, "rgb24"):
            out.mux(stream.encode(frame))
            break
        out.mux(stream.encode(None))
    return file.getvalue()


@lru_cache(maxsize=64)
def _clip(colour: int, width: int, height: int, seconds: float, sound: bool, sight: bool) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        video = out.add_stream("libx264", rate=FRAMES_A_SECOND, options={"preset": "ultrafast"}) if sight else None
        audio = out.add_stream("aac", rate=RATE, layout="stereo") if sound else None
        if video:
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            for frame in _pattern(colour, width, height, seconds, "yuv420p"):
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        if audio:
            for frame in _tone(colour, seconds):
                out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
    return file.getvalue()


def _pattern(colour: int, width: int, height: int, seconds: float, form: str) -> Iterator[Any]:
    graph = Graph()
    source = f"size={width}x{height}:rate={FRAMES_A_SECOND}:duration={seconds}"
    graph.link_nodes(
        graph.add("testsrc2", source),
        graph.add("hue", f"h={360 * colour // COLOURS}"),
        graph.add("format", form),
        graph.add("buffersink"),
    ).configure()
    for number, frame in enumerate(_pulled(graph)):
        frame.pts, frame.time_base = number, Fraction(1, FRAMES_A_SECOND)
        yield frame


def _tone(colour: int, seconds: float) -> Iterator[Any]:
    """Tones of different loudness, as models give them."""
    graph = Graph()
    volume = 0.05 * 2 ** (colour % 4)
    graph.link_nodes(
        graph.add("sine", f"frequency={220 + 55 * colour}:sample_rate={RATE}:duration={seconds}"),
        graph.add("volume", f"{volume}"),
        graph.add("aformat", f"sample_fmts=fltp:sample_rates={RATE}:channel_layouts=stereo"),
        graph.add("abuffersink"),
    ).configure()
    yield from _pulled(graph)


def _pulled(graph: Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
