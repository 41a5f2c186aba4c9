"""Joining a film's clips: seconds and memory, beside a copy of their packets, which evens nothing and draws nothing.

Each case runs in a process of its own and joins a film's clips: parts of PART_SCENES clips, and the
film of these parts. Clips are of 5 seconds in 1280 x 720, with sound. What else the machine does is in the times. The
figures go to film.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import batched
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import write_results
from local.providers.dashscope import footage

SECONDS, WIDTH, HEIGHT = 5, 1280, 720
CASES = {
    "floor": "packets copied",
    "copied": "pictures copied, sound evened",
    "encoded": "one clip of another size: all encoded anew",
    "written": "subtitles and title burnt in",
}
SPOKEN = "The tide turns a quiet harbour into a busy one, and back again before the night has come."


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--clips", type=int, nargs="+", default=[30, 60], help="how many (%(default)s)")
    arguments.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-film-") as made:
        folder = Path(made)
        for colour in range(footage.COLOURS):
            (folder / f"{colour}.mp4").write_bytes(footage.clip(f"{colour}", WIDTH, HEIGHT, SECONDS))
        (folder / "other.mp4").write_bytes(footage.clip("other", WIDTH // 2, HEIGHT // 2, SECONDS))
        figures = [measured(folder, case, number) for number in given.clips for case in given.cases]
    show(figures)
    write_results("film.json", {"load_average": round(os.getloadavg()[0], 1), "films": figures})


def measured(folder: Path, case: str, number: int) -> dict[str, Any]:
    """What a process of its own takes for the case."""
    code = "import sys; from bench import film; film.work(*sys.argv[1:3], int(sys.argv[3]))"
    command = [sys.executable, "-c", code, str(folder), case, str(number)]
    figures: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(number, case, figures, flush=True)
    return {"clips": number, "case": case, **figures}


def work(folder: str, case: str, number: int) -> None:
    """Join the clips, and print the seconds and the peak of memory."""
    from videos import film
    from videos.making import PART_SCENES

    home = Path(folder)
    clips = [home / f"{each % footage.COLOURS}.mp4" for each in range(number)]
    if case == "encoded":
        clips[1] = home / "other.mp4"
    target, begun, cpu = home / "film.mp4", time.perf_counter(), time.process_time()
    if case == "floor":
        copy(clips, target)
    else:
        parts = []
        for place, some in enumerate(batched(clips, PART_SCENES, strict=False)):
            title = "How the tide turns" if place == 0 else None
            words = film.Words(title, [SPOKEN] * len(some)) if case == "written" else None
            parts.append(home / f"part-{place}.mp4")
            film.join(some, parts[-1], words=words)
        film.join(parts, target, sound_is_even=True)
    taken = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({name: round(value, 2) for name, value in taken.items()} | {"peak_mb": peak_mb()}))


def peak_mb() -> int:
    """Of this process: what getrusage tells is its parent's where that was larger."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def copy(clips: list[Path], target: Path) -> None:
    """The packets of all clips behind each other, the least that a film takes: there are gaps in its sound."""
    import av

    with av.open(clips[0]) as first, av.open(target, "w", options={"movflags": "faststart"}) as out:
        streams = {stream.type: out.add_stream_from_template(stream) for stream in first.streams}
        for number, path in enumerate(clips):
            with av.open(path) as clip:
                for packet in clip.demux():
                    if packet.dts is None or packet.pts is None or packet.pts < 0:
                        continue
                    behind = round(number * SECONDS / packet.time_base)
                    packet.pts, packet.dts = packet.pts + behind, packet.dts + behind
                    packet.stream = streams[packet.stream.type]
                    out.mux(packet)


def show(figures: list[dict[str, Any]]) -> None:
    table = Table("clips", "", "s", "processor s", "peak MB", "x floor", title=f"load average {os.getloadavg()[0]:.1f}")
    floors = {one["clips"]: one["seconds"] for one in figures if one["case"] == "floor"}
    for one in figures:
        ratio = f"{one['seconds'] / floors[one['clips']]:.0f}" if one["clips"] in floors else ""
        named = (CASES[one["case"]], f"{one['seconds']:.1f}", f"{one['cpu_seconds']:.1f}", str(one["peak_mb"]))
        table.add_row(str(one["clips"]), *named, ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
