"""Subtitles as WebVTT: what is said in each scene, while it is seen. https://www.w3.org/TR/webvtt1/"""

from collections.abc import Iterable


def webvtt(scenes: Iterable[tuple[float, str]]) -> str:
    """A file of (seconds, what is said) of each scene in order."""
    lines, start = ["WEBVTT", ""], 0.0
    for number, (seconds, text) in enumerate(scenes, 1):
        end = start + seconds
        if spoken := " ".join(text.split()):
            escaped = spoken.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            lines += [str(number), f"{_time(start)} --> {_time(end)}", escaped, ""]
        start = end
    return "\n".join(lines) + "\n"


def _time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
