"""The pictures of clips in one size and at one rate, with text drawn in. PyAV and Pillow are in the media layer."""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videos import lettering

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image

ENCODER = {"preset": "veryfast", "crf": "21"}
MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Picture:
    """What the pictures of a film have in common; clips that have it may be copied behind each other."""

    codec: str
    width: int
    height: int
    rate: Fraction
    extradata: bytes | None

    @classmethod
    def of(cls, path: Path) -> "Picture":
        import av

        with av.open(path) as clip:
            video = clip.streams.video[0]
            codec = video.codec_context
            return cls(codec.name, video.width, video.height, rate_of(video), codec.extradata)


def rate_of(video: "VideoStream") -> Fraction:
    """Its pictures a second."""
    rate = video.average_rate
    return Fraction(rate.numerator, rate.denominator) if rate else Fraction(24)


def encoder(out: "OutputContainer", picture: Picture) -> "VideoStream":
    made = out.add_stream("libx264", rate=picture.rate, options=ENCODER)
    made.width, made.height, made.pix_fmt = picture.width, picture.height, "yuv420p"
    return made


def pictures_of(clip: "InputContainer", picture: Picture, text: str = "") -> Iterator["VideoFrame"]:
    """The clip's pictures in the size and at the rate of the film."""
    from av.filter import Graph

    source = clip.streams.video[0]
    graph, shape = Graph(), f"{picture.width}:{picture.height}"
    buffer = graph.add_buffer(template=source)
    chain = [
        buffer,
        graph.add("fps", str(picture.rate)),
        graph.add("scale", f"{shape}:force_original_aspect_ratio=decrease"),
        graph.add("pad", f"{shape}:(ow-iw)/2:(oh-ih)/2"),
        graph.add("format", "yuv420p"),
    ]
    seconds = float((source.duration or 0) * (source.time_base or 0))
    written = lettering.subtitle_frames(text, picture.width, picture.height, seconds)
    if written:
        chain.append(graph.add("overlay", "0:main_h-overlay_h"))
        letters = _letters(graph, written[0][1])
        letters.link_to(chain[-1], 0, 1)
    graph.link_nodes(*chain, graph.add("buffersink")).configure()
    if written:
        _push_letters(letters, written)
    yield from filtered(graph, clip.decode(source), buffer)


def _letters(graph: Any, picture: "Image") -> Any:
    """A source of pictures of text, whose times are in milliseconds."""
    return graph.add_buffer(width=picture.width, height=picture.height, format="rgba", time_base=MILLISECOND)


def _push_letters(letters: Any, written: Sequence[tuple[float, "Image"]]) -> None:
    import av

    for seconds, picture in written:
        frame = av.VideoFrame.from_bytes(picture.tobytes(), picture.width, picture.height, "rgba")
        frame.pts, frame.time_base = round(seconds * 1000), MILLISECOND
        letters.push(frame)
    letters.push(None)  # the last one stays


def title_card(clip: "InputContainer", picture: Picture, title: str) -> "VideoFrame":
    """The clip's first picture, darkened and with a title on it."""
    from av import VideoFrame

    first: Any = next(pictures_of(clip, picture))
    card = lettering.title_card(first.to_image(), title).convert("RGBA")
    return VideoFrame.from_bytes(card.tobytes(), card.width, card.height).reformat(format="yuv420p")


def filtered(graph: Any, frames: Iterator[Any], source: Any = None, *, pushes: bool = True) -> Iterator[Any]:
    """What comes out of the graph for these frames. `source`: where they go in, if there is more than one way.

    The graph is of no use afterwards.
    """
    import av

    into = source or graph

    def pull() -> Iterator[Any]:
        while True:
            try:
                yield graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return

    try:
        for frame in frames:
            into.push(frame)
            yield from pull()
        if pushes:
            into.push(None)
        yield from pull()
    finally:
        _release(graph)


def _release(graph: Any) -> None:
    """Free the graph's buffers now. A graph's filters hold the graph: left to the garbage collector, 90 MB of sound of
    each clip stay, and a collection for each clip looks at every object of the process."""
    for held in gc.get_referents(graph):
        if isinstance(held, dict):
            held.clear()
