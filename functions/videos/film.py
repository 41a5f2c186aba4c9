"""A film is joined from clips: pictures are copied where their codecs agree, sound is evened and written anew.

Clips are read one after the other, a packet at a time, so that memory does not grow with their number. Each clip's
sound is made as long as its pictures (silence where there is none), and all of it is written by one encoder: no gaps
of an encoder's priming between clips. PyAV is in the media layer: only functions that have it call what is here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videos.model import Measures
from videos.pictures import Picture, encoder, filtered, pictures_of, rate_of, title_card

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

RATE, LAYOUT, SAMPLES = 48_000, "stereo", "fltp"
LOUDNESS, PEAK = -16.0, -1.5  # LUFS and dBTP, as streaming services ask for
SILENCE = -60.0  # LUFS: what is softer is noise, and stays as it is
TITLE_SECONDS = 2
PREVIEW_SECONDS, PREVIEW_WIDTH, THUMBNAIL_WIDTH = 3.0, 320, 640
AT_THE_FRONT = {"movflags": "faststart"}  # so that a player begins before it has all


@dataclass(frozen=True)
class Words:
    """What is written into a film. `title`: of a card before the first clip. `spoken`: the subtitle of each clip."""

    title: str | None = None
    spoken: Sequence[str] = ()


def join(
    clips: Sequence[Path],
    target: Path,
    *,
    words: Words | None = None,
    sound_is_even: bool = False,
    report: Callable[[float], None] = lambda _: None,
) -> Measures:
    """Write the clips behind each other as one MP4. Words are drawn into the pictures, which are encoded anew then.

    `sound_is_even`: they are parts of a film that was evened before. `report` gets the share done, 0 to 1, after each.
    """
    import av

    pictures = [Picture.of(clip) for clip in clips]
    copied = words is None and all(picture == pictures[0] for picture in pictures)
    spoken = words.spoken if words and words.spoken else [""] * len(clips)
    with av.open(target, "w", format="mp4", options=AT_THE_FRONT) as out:
        with av.open(clips[0]) as first:
            template = first.streams.video[0]
            video = out.add_stream_from_template(template) if copied else encoder(out, pictures[0])
        audio = out.add_stream("aac", rate=RATE, layout=LAYOUT)
        start, samples = Fraction(0), 0
        if words and words.title:
            with av.open(clips[0]) as first:
                start = _write_title(first, out, video, pictures[0], words.title)
            samples = _write_silence(out, audio, round(start * RATE))
        for number, (path, text) in enumerate(zip(clips, spoken, strict=True), 1):
            with av.open(path) as clip:
                write = _copy if copied else partial(_encode, picture=pictures[0], text=text)
                start += write(clip, out, video, start)
            louder = 0.0 if sound_is_even else _gain(path)
            with av.open(path) as clip:  # again: graph and pictures are read at their own pace, without a queue between
                samples = _write_sound(clip, out, audio, samples, round(start * RATE), louder)
            report(number / len(clips))
        if not copied:
            out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return Measures(target.stat().st_size, float(start), pictures[0].width, pictures[0].height, has_audio=True)


def preview(film: Path, target: Path) -> Measures:
    """The film's beginning, small and without sound."""
    import av

    with av.open(film) as source, av.open(target, "w", format="mp4", options=AT_THE_FRONT) as out:
        video = source.streams.video[0]
        width, height = _fitted(video.width, video.height, PREVIEW_WIDTH)
        made = encoder(out, Picture("h264", width, height, rate_of(video), None))
        seconds = 0.0
        for frame in source.decode(video):
            if frame.time is not None and frame.time >= PREVIEW_SECONDS:
                break
            out.mux(made.encode(frame.reformat(width, height, "yuv420p")))
            seconds = (frame.time or 0.0) + float(1 / rate_of(video))
        out.mux(made.encode(None))
    return Measures(target.stat().st_size, seconds, width, height)


def thumbnail(film: Path, target: Path) -> Measures:
    """A JPEG of the film's first picture."""
    import av

    with av.open(film) as source, av.open(target, "w", format="image2", options={"update": "1"}) as out:
        frame = next(source.decode(video=0))
        width, height = _fitted(frame.width, frame.height, THUMBNAIL_WIDTH)
        made = out.add_stream("mjpeg", rate=1)
        made.width, made.height, made.pix_fmt = width, height, "yuvj420p"
        out.mux(made.encode(frame.reformat(width, height, "yuvj420p")))
        out.mux(made.encode(None))
    return Measures(target.stat().st_size, None, width, height)


def _copy(clip: "InputContainer", out: "OutputContainer", video: "VideoStream", start: Fraction) -> Fraction:
    """Write the clip's pictures from `start` on as they are; the seconds that they last."""
    source, lasts = clip.streams.video[0], Fraction(0)
    for packet in clip.demux(source):
        if packet.dts is None or packet.pts is None:
            continue
        base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
        lasts = max(lasts, (packet.pts + (packet.duration or 0)) * base)
        _move(packet, round(start / base))
        packet.stream = video
        out.mux(packet)
    return lasts


def _move(packet: "Packet[Any]", by: int) -> None:
    packet.pts = (packet.pts or 0) + by
    packet.dts = (packet.dts or 0) + by


def _write_title(
    clip: "InputContainer", out: "OutputContainer", video: "VideoStream", picture: Picture, title: str
) -> Fraction:
    """Write the card before the clip that the film begins with; the seconds that it lasts."""
    frame, count = title_card(clip, picture, title), round(TITLE_SECONDS * picture.rate)
    for number in range(count):
        frame.pts, frame.time_base = number, 1 / picture.rate
        out.mux(video.encode(frame))
    return count / picture.rate


def _encode(
    clip: "InputContainer", out: "OutputContainer", video: "VideoStream", start: Fraction, picture: Picture, text: str
) -> Fraction:
    """Write the clip's pictures anew, with this subtitle if there is one; the seconds that they last."""
    first, count = round(start * picture.rate), 0
    for frame in pictures_of(clip, picture, text):
        frame.pts, frame.time_base = first + count, 1 / picture.rate
        out.mux(video.encode(frame))
        count += 1
    return count / picture.rate


def _write_silence(out: "OutputContainer", audio: "AudioStream", samples: int) -> int:
    """Write so many samples of silence at the film's beginning, and return their number."""
    from av import AudioFrame

    for begin in range(0, samples, RATE):
        frame = AudioFrame(SAMPLES, LAYOUT, min(RATE, samples - begin))
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.sample_rate, frame.time_base = begin, RATE, Fraction(1, RATE)
        out.mux(audio.encode(frame))
    return samples


def _write_sound(
    clip: "InputContainer", out: "OutputContainer", audio: "AudioStream", begin: int, end: int, louder: float
) -> int:
    """Write the clip's sound as the samples from `begin` to `end`: louder by that, and cut or filled with silence."""
    wanted = end - begin
    for frame in _sound(clip, wanted, louder):
        frame.pts, frame.time_base = begin, Fraction(1, RATE)
        begin += frame.samples
        out.mux(audio.encode(frame))
    return begin


def _gain(path: Path) -> float:
    """By how many dB the clip's sound is to be louder. Measured over all of it, as EBU R 128 does, and applied as one
    gain: a filter that evens in one pass has to guess what is still to come, and changes what is soft within a clip."""
    import av
    from av.filter import Graph

    with av.open(path) as clip:
        if not clip.streams.audio:
            return 0.0
        graph, loudness = Graph(), SILENCE
        source = graph.add_abuffer(template=clip.streams.audio[0])
        graph.link_nodes(
            source, graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
        ).configure()
        for frame in filtered(graph, clip.decode(clip.streams.audio[0])):
            loudness = float(frame.metadata.get("lavfi.r128.I", loudness))  # of all until here; the last one counts
    return LOUDNESS - loudness if loudness > SILENCE else 0.0


def _sound(clip: "InputContainer", samples: int, louder: float) -> Iterator["AudioFrame"]:
    from av.filter import Graph

    graph = Graph()
    if clip.streams.audio:
        source: Any = graph.add_abuffer(template=clip.streams.audio[0])
        frames: Iterator[Any] = clip.decode(clip.streams.audio[0])
    else:
        source = graph.add("anullsrc", f"channel_layout={LAYOUT}:sample_rate={RATE}")
        frames = iter(())
    limit = f"limit={10 ** (PEAK / 20):.4f}:level=disabled"
    evened = [graph.add("volume", f"{louder:.3f}dB"), graph.add("alimiter", limit)] if louder else []
    chain = [
        source,
        *evened,
        graph.add("aresample", str(RATE)),
        graph.add("aformat", f"sample_fmts={SAMPLES}:sample_rates={RATE}:channel_layouts={LAYOUT}"),
        graph.add("apad", f"whole_len={samples}"),
        graph.add("atrim", f"end_sample={samples}"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*chain).configure()
    yield from filtered(graph, frames, pushes=bool(clip.streams.audio))


def _fitted(width: int, height: int, most: int) -> tuple[int, int]:
    """The size at a width of at most `most`, in even numbers, as H.264 needs."""
    share = min(1.0, most / width)
    return max(2, 2 * round(width * share / 2)), max(2, 2 * round(height * share / 2))
