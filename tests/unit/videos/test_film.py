"""Clips joined to a film by PyAV; what a picture and a clip are measured to be; subtitles."""

import io
import subprocess
import sys
from pathlib import Path

import av
import pytest
from av.filter import Graph

from local.providers.dashscope import footage
from videos import film
from videos.footage import BadFootage, measure_clip, measure_frame
from videos.subtitles import webvtt

# What a film of so many clips holds in memory at its most, in megabytes.
ELSEWHERE = """
import re, sys
from pathlib import Path
from videos import film
folder, number = Path(sys.argv[1]), int(sys.argv[2])
film.join([folder / "clip.mp4"] * number, folder / f"film-{number}.mp4", words=WORDS)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def clip(folder: Path, name: str, *, size: tuple[int, int] = (160, 90), seconds: float = 2, sound: bool = True) -> Path:
    path = folder / f"{name}.mp4"
    path.write_bytes(footage.clip(name, *size, seconds, sound=sound))
    return path


def streams(path: Path) -> dict[str, float]:
    """The seconds of each stream, by its type."""
    with av.open(path) as file:
        return {stream.type: float((stream.duration or 0) * (stream.time_base or 0)) for stream in file.streams}


def frames(path: Path) -> list[float]:
    with av.open(path) as file:
        return [frame.time or 0.0 for frame in file.decode(video=0)]


def loudness(path: Path, begin: float, end: float) -> float:
    """The peak of the sound between two times, from 0 to 1."""
    peak = 0.0
    with av.open(path) as file:
        for frame in file.decode(audio=0):
            if begin <= (frame.time or 0) < end:
                samples = memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples]
                peak = max(peak, *map(abs, samples))
    return peak


def toned(folder: Path, name: str, volume: str) -> Path:
    """A clip of 8 seconds whose tone is so loud; `volume` may be an expression of the time."""
    path = folder / f"{name}.mp4"
    graph = Graph()
    graph.link_nodes(
        graph.add("sine", "frequency=997:sample_rate=48000:duration=8"),
        graph.add("volume", f"volume='8*{volume}':eval=frame"),
        graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
        graph.add("abuffersink"),
    ).configure()
    with av.open(path, "w") as out:
        video = out.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        audio = out.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(96):
            frame = av.VideoFrame(160, 90, "yuv420p")
            frame.pts = number
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for sound in footage._pulled(graph):
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    return path


def integrated(path: Path, begin: float, end: float) -> float:
    """The loudness of the sound between two times, in LUFS."""
    graph, measured = Graph(), -70.0
    with av.open(path) as file:
        source = graph.add_abuffer(template=file.streams.audio[0])
        sink = graph.add("abuffersink")
        graph.link_nodes(source, graph.add("ebur128", "metadata=1:framelog=quiet"), sink).configure()
        for frame in file.decode(audio=0):
            if begin <= (frame.time or 0) < end:
                graph.push(frame)
        graph.push(None)
        for frame in footage._pulled(graph):
            measured = float(frame.metadata.get("lavfi.r128.I", measured))
    return measured


def test_clips_of_one_kind_are_copied_and_last_as_long_together(tmp_path: Path) -> None:
    clips = [clip(tmp_path, name) for name in ("one", "two", "three")]
    reported: list[float] = []
    measures = film.join(clips, tmp_path / "film.mp4", report=reported.append)
    assert (measures.seconds, measures.width, measures.height, measures.has_audio) == (6.0, 160, 90, True)
    assert reported == [pytest.approx(share) for share in (1 / 3, 2 / 3, 1)]
    assert streams(tmp_path / "film.mp4") == {"video": pytest.approx(6, abs=0.05), "audio": pytest.approx(6, abs=0.05)}
    times = frames(tmp_path / "film.mp4")
    assert len(times) == 72
    assert times == sorted(set(times))
    with av.open(clips[1]) as file, av.open(tmp_path / "film.mp4") as whole:
        packets = [bytes(packet) for packet in file.demux(video=0)]
        copied = [bytes(packet) for packet in whole.demux(video=0)]
    assert packets[0] in copied


def test_clips_of_another_size_are_fitted(tmp_path: Path) -> None:
    clips = [clip(tmp_path, "one"), clip(tmp_path, "two", size=(96, 128), sound=False)]
    measures = film.join(clips, tmp_path / "film.mp4")
    assert (measures.seconds, measures.width, measures.height) == (4.0, 160, 90)
    assert streams(tmp_path / "film.mp4") == {"video": pytest.approx(4, abs=0.1), "audio": pytest.approx(4, abs=0.05)}
    assert len(frames(tmp_path / "film.mp4")) == 48


def test_sound_is_evened_and_silence_fills_what_has_none(tmp_path: Path) -> None:
    tones = {name: footage._colour(name) % 4 for name in map(str, range(40))}
    quiet = next(name for name, tone in tones.items() if tone == 0)
    loud = next(name for name, tone in tones.items() if tone == 3)
    clips = [clip(tmp_path, quiet, seconds=5), clip(tmp_path, loud, seconds=5)]
    clips.append(clip(tmp_path, "silent", seconds=5, sound=False))
    before = loudness(clips[1], 2, 4) / loudness(clips[0], 2, 4)
    film.join(clips, tmp_path / "film.mp4")
    after = loudness(tmp_path / "film.mp4", 7, 9) / loudness(tmp_path / "film.mp4", 2, 4)
    assert before > 6
    assert after < 2
    assert loudness(tmp_path / "film.mp4", 11, 14) < 0.001


def test_clips_of_different_loudness_are_equally_loud_and_keep_what_is_soft_in_them(tmp_path: Path) -> None:
    # GIVEN a clip that is soft, one that is loud, and one whose second half is softer by 12 dB
    clips = [toned(tmp_path, name, volume) for name, volume in (("soft", "0.02"), ("loud", "0.9"))]
    clips.append(toned(tmp_path, "fading", "if(lt(t,4),0.4,0.1)"))
    assert abs(integrated(clips[0], 0, 8) - integrated(clips[1], 0, 8)) > 20
    film.join(clips, tmp_path / "film.mp4")
    # THEN each is as loud as a service asks for, and none is clipped
    whole = tmp_path / "film.mp4"
    assert [integrated(whole, 8 * n, 8 * n + 8) for n in range(3)] == [pytest.approx(film.LOUDNESS, abs=0.7)] * 3
    assert loudness(whole, 0, 24) < 1
    # AND within the third nothing was evened
    assert integrated(whole, 16.5, 19.5) - integrated(whole, 20.5, 23.5) == pytest.approx(12, abs=0.7)


def test_what_is_made_louder_is_not_clipped(tmp_path: Path) -> None:
    film.join([toned(tmp_path, "clicks", "if(lt(mod(t,4),0.02),0.9,0.02)")], tmp_path / "film.mp4")
    assert 0.6 < loudness(tmp_path / "film.mp4", 0, 8) < 0.95


def test_what_is_all_but_silent_is_not_made_loud(tmp_path: Path) -> None:
    film.join([toned(tmp_path, "hiss", "0.0004")], tmp_path / "film.mp4")
    assert loudness(tmp_path / "film.mp4", 0, 8) < 0.001


def test_parts_are_joined_as_one_film(tmp_path: Path) -> None:
    parts = []
    for number in range(2):
        film.join([clip(tmp_path, f"{number}-{n}") for n in range(2)], tmp_path / f"part-{number}.mp4")
        parts.append(tmp_path / f"part-{number}.mp4")
    assert film.join(parts, tmp_path / "film.mp4", sound_is_even=True).seconds == 8.0
    assert streams(tmp_path / "film.mp4") == {"video": pytest.approx(8, abs=0.05), "audio": pytest.approx(8, abs=0.05)}


def differences(one: Path, other: Path, at: float) -> tuple[float, float]:
    """How much two films differ at a time, on average from 0 to 255: in the upper part and in the lower third."""

    def grey(path: Path) -> bytes:
        with av.open(path) as file:
            frame = next(frame for frame in file.decode(video=0) if (frame.time or 0) >= at)
        return bytes(frame.reformat(width=320, height=180, format="gray").planes[0])

    pairs = [abs(a - b) for a, b in zip(grey(one), grey(other), strict=True)]
    border = len(pairs) * 2 // 3
    return sum(pairs[:border]) / border, sum(pairs[border:]) / (len(pairs) - border)


@pytest.mark.parametrize("size", [(320, 180), (180, 320), (180, 180)])
def test_subtitles_are_in_the_lower_part_while_they_are_said(size: tuple[int, int], tmp_path: Path) -> None:
    clips = [clip(tmp_path, name, size=size) for name in ("one", "two")]
    words = film.Words(spoken=["", "It rises, 潮起潮落。"])
    film.join(clips, tmp_path / "plain.mp4", words=film.Words())
    measures = film.join(clips, tmp_path / "film.mp4", words=words)
    assert measures.seconds == 4.0
    both = tmp_path / "plain.mp4", tmp_path / "film.mp4"
    upper, lower = differences(*both, at=3)
    assert upper < 1
    assert lower > 3
    assert max(differences(*both, at=1)) < 1


def test_a_long_subtitle_is_shown_in_parts(tmp_path: Path) -> None:
    source = [clip(tmp_path, "source", size=(320, 180), seconds=4)]
    for name, end in (("one", "It comes back."), ("other", "IIIIIIIIIIIIII")):
        film.join(source, tmp_path / f"{name}.mp4", words=film.Words(spoken=["Twice a day the sea leaves. " * 5 + end]))
    assert differences(tmp_path / "one.mp4", tmp_path / "other.mp4", at=0.5)[1] < 1
    assert differences(tmp_path / "one.mp4", tmp_path / "other.mp4", at=3.9)[1] > 1


def test_a_title_card_is_dark_and_silent_and_part_of_the_length(tmp_path: Path) -> None:
    source = clip(tmp_path, "one", size=(320, 180), seconds=3)
    measures = film.join([source], tmp_path / "film.mp4", words=film.Words("The harbour"))
    assert measures.seconds == film.TITLE_SECONDS + 3
    assert streams(tmp_path / "film.mp4") == {"video": pytest.approx(5, abs=0.05), "audio": pytest.approx(5, abs=0.05)}
    assert loudness(tmp_path / "film.mp4", 0, 1.9) < 0.001
    assert loudness(tmp_path / "film.mp4", 2.5, 4.5) > 0.01
    film.join([source], tmp_path / "other.mp4", words=film.Words("A quay"))
    assert max(differences(tmp_path / "film.mp4", tmp_path / "other.mp4", at=3)) < 1
    assert differences(tmp_path / "film.mp4", tmp_path / "other.mp4", at=1)[0] > 1


def test_parts_of_a_film_with_words_are_copied(tmp_path: Path) -> None:
    """The first has a card and the second has not: they were encoded alike."""
    parts = []
    for number, title in enumerate(("The harbour", None)):
        parts.append(tmp_path / f"part-{number}.mp4")
        film.join([clip(tmp_path, f"one-{number}")], parts[-1], words=film.Words(title))
    assert film.join(parts, tmp_path / "film.mp4", sound_is_even=True).seconds == 6.0
    with av.open(parts[1]) as part, av.open(tmp_path / "film.mp4") as whole:
        packet = next(bytes(packet) for packet in part.demux(video=0))
        assert packet in [bytes(packet) for packet in whole.demux(video=0)]


def test_a_film_begins_with_what_a_player_needs_first(tmp_path: Path) -> None:
    film.join([clip(tmp_path, "one")], tmp_path / "film.mp4")
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_film_has_a_picture_and_a_preview(tmp_path: Path) -> None:
    source = clip(tmp_path, "one", size=(1280, 720), seconds=4)
    assert film.thumbnail(source, tmp_path / "thumb").width == 640
    assert (tmp_path / "thumb").read_bytes().startswith(b"\xff\xd8\xff")
    made = film.preview(source, tmp_path / "preview")
    assert (made.seconds, made.width, made.height) == (pytest.approx(3), 320, 180)
    assert streams(tmp_path / "preview") == {"video": pytest.approx(3, abs=0.1)}


@pytest.mark.parametrize("words", ["None", "film.Words('The harbour', ['It rises. ' * 30] * number)"])
def test_memory_does_not_grow_with_the_number_of_clips(words: str, tmp_path: Path) -> None:
    clip(tmp_path, "clip", size=(160, 90), seconds=3)

    def peak(number: int) -> float:
        command = [sys.executable, "-c", ELSEWHERE.replace("WORDS", words), str(tmp_path), str(number)]
        return float(
            subprocess.run(
                command, capture_output=True, check=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
            ).stdout
        )

    few, many = peak(3), peak(20)
    assert many < few + 30


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) * 2 // 3], "cannot be read"),
        (lambda data: b"", "cannot be read"),
        (lambda data: b"<html>", "cannot be read"),
    ],
)
def test_a_damaged_clip_is_refused(damage: object, reason: str, tmp_path: Path) -> None:
    assert callable(damage)
    path = tmp_path / "clip.mp4"
    path.write_bytes(damage(footage.clip("one", 64, 64, 2)))
    with pytest.raises(BadFootage, match=reason):
        measure_clip(path, 2)


def test_a_clip_that_was_cut_behind_its_header_is_refused(tmp_path: Path) -> None:
    """The header of a file made for players is whole: only reading to the end tells."""
    film.join([clip(tmp_path, "one", seconds=5)], tmp_path / "front.mp4")
    data = (tmp_path / "front.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(BadFootage, match=r"cut|read"):
        measure_clip(tmp_path / "cut.mp4", 5)


def test_a_picture_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "frame.png"
    path.write_bytes(footage.picture("one", 64, 48))
    measures = measure_frame(path)
    assert (measures.width, measures.height, measures.seconds) == (64, 48, None)
    path.write_bytes(io.BytesIO(path.read_bytes()).read(40))
    with pytest.raises(BadFootage):
        measure_frame(path)


def test_subtitles_are_shown_while_their_scene_is() -> None:
    assert webvtt([(5.0, "It rises."), (2.5, ""), (3_600.0, "a < b\nand so on")]) == (
        "WEBVTT\n\n"
        "1\n00:00:00.000 --> 00:00:05.000\nIt rises.\n\n"
        "3\n00:00:07.500 --> 01:00:07.500\na &lt; b and so on\n\n"
    )
