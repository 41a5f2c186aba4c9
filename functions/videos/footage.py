"""What is in a picture or a clip: every one is read to its end before its step succeeds.

PyAV is in the media layer, and only the functions that have it call what is here.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from longhaul.errors import PermanentError
from videos.model import Measures

if TYPE_CHECKING:
    from av.container import InputContainer

SECONDS_DIFFER = 0.5  # between a clip's length and what was asked for
MIN_FRAMES = 2


class BadFootage(PermanentError):
    """A file of the provider's cannot be used."""

    code = "bad_footage"


def measure_clip(path: Path, seconds: float) -> Measures:
    """The measures of a clip that should last so long. Raises BadFootage with what is wrong."""
    import av

    try:
        with av.open(path) as clip:
            if not clip.streams.video:
                raise BadFootage("the clip has no picture")
            measures = _read_to_the_end(clip, path)
    except av.FFmpegError as error:
        raise BadFootage(f"the clip cannot be read: {error.strerror}") from error
    if abs((measures.seconds or 0) - seconds) > SECONDS_DIFFER:
        raise BadFootage(f"the clip lasts {measures.seconds:.2f} s, not {seconds:g} s")
    return measures


def measure_frame(path: Path) -> Measures:
    """The measures of a picture. Raises BadFootage."""
    import av

    try:
        with av.open(path) as picture:
            frame = next(picture.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise BadFootage(f"the picture cannot be read: {type(error).__name__}") from error
    return Measures(path.stat().st_size, None, frame.width, frame.height)


def _read_to_the_end(clip: "InputContainer", path: Path) -> Measures:
    """Packets of a file that was cut are missing at its end, whatever its header says: so the packets are counted."""
    video = clip.streams.video[0]
    audio = clip.streams.audio[0] if clip.streams.audio else None
    ends = dict.fromkeys([video.index, *([audio.index] if audio else [])], 0.0)
    frames = 0
    for packet in clip.demux(*([video, audio] if audio else [video])):
        if packet.pts is None or packet.is_corrupt:
            continue
        ends[packet.stream.index] = max(
            ends[packet.stream.index], float((packet.pts + (packet.duration or 0)) * packet.time_base)
        )
        frames += packet.stream is video
    if frames < MIN_FRAMES:
        raise BadFootage(f"the clip has {frames} pictures")
    if frames < video.frames:
        raise BadFootage(f"the clip is cut: {frames} of its {video.frames} pictures are there")
    return Measures(path.stat().st_size, ends[video.index], video.width, video.height, has_audio=audio is not None)
