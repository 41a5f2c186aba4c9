"""Jobs: each waits, runs and ends by the clock, in what its prompt or its fault makes of it."""

import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from local.providers.faults import VideoFault, Videos

CLOCK = timezone(timedelta(hours=8))
WAITS = 0.3  # of a job's time
RESOLUTIONS = {"480P": (832, 480), "720P": (1280, 720), "1080P": (1920, 1080)}
KEPT_SECONDS = 86_400
# What a model reads of a prompt, by the beginning of its name; the rest is cut off. The first that fits counts.
PROMPT_LENGTHS = {"wan2.2-t2i": 500, "wan2.5-t2i": 2_000, "wan2.2-": 800, "": 1_500}
# Of the pictures that it makes: the least and the most of a side, and of all pixels.
SIDES, PIXELS = {"wan2.2-t2i": (512, 1_440)}, {"wan2.5-t2i": (1_600_000, 1_440**2)}


@dataclass
class Job:
    """`began` and `ends` are by `time.time`; `fault` is what becomes of it."""

    model: str
    prompt: str
    parameters: dict[str, Any]
    is_image: bool
    seconds: float
    fault: VideoFault | None
    refused: bool
    began: float = field(default_factory=time.time)
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    signature: str = field(default_factory=lambda: secrets.token_hex(16))
    cancelled: bool = False
    failure: tuple[str, str] | None = None

    @property
    def status(self) -> str:
        age = time.time() - self.began
        if self.cancelled:
            return "CANCELED"
        if self.fault == "unknown" or age > KEPT_SECONDS:
            return "UNKNOWN"
        if age < WAITS * self.seconds:
            return "PENDING"
        if age < self.seconds:
            return "RUNNING"
        return "FAILED" if self.refused or self.failure or self.fault == "failed" else "SUCCEEDED"

    def output(self, host: str) -> dict[str, Any]:
        """What the service tells of it."""
        status = self.status
        told: dict[str, Any] = {"task_id": self.job_id, "task_status": status}
        if status == "UNKNOWN":
            return told
        told["submit_time"] = _stamp(self.began)
        if status == "SUCCEEDED":
            url = (
                f"http://{host}/dashscope/{self.job_id}.{'png' if self.is_image else 'mp4'}?Signature={self.signature}"
            )
            said = {"orig_prompt": self.prompt, "actual_prompt": f"{self.prompt}, cinematic"}
            told |= {"results": [{"url": url, **said}]} if self.is_image else {"video_url": url, **said}
        if status == "FAILED":
            told |= dict(zip(("code", "message"), self.why(), strict=True))
        return told

    def why(self) -> tuple[str, str]:
        if self.refused:
            return "DataInspectionFailed", "Input data may contain inappropriate content."
        return self.failure or ("InternalError", "The service could not do it.")

    def usage(self) -> dict[str, Any]:
        if self.is_image:
            return {"image_count": 1}
        return {"video_count": 1, "video_duration": self.duration, "video_ratio": "standard"}

    @property
    def duration(self) -> float:
        return float(self.parameters.get("duration", 5))

    def size(self, scale: float) -> tuple[int, int]:
        """In even numbers, scaled."""
        if "size" in self.parameters:
            width, height = map(int, str(self.parameters["size"]).split("*"))
        else:
            width, height = RESOLUTIONS[str(self.parameters.get("resolution", "720P"))]
        return max(16, 2 * round(width * scale / 2)), max(16, 2 * round(height * scale / 2))

    def file(self, plan: Videos) -> bytes:
        """What its link gives."""
        from local.providers.dashscope import footage  # with FFmpeg, half of the stand-ins' memory

        width, height = self.size(plan.scale)
        if self.is_image:
            made = footage.picture(self.prompt, width, height)
        else:
            seconds = self.duration / 2 if self.fault == "short" else self.duration
            sound, sight = self.fault != "no_audio", self.fault != "no_picture"
            made = footage.clip(self.prompt, width, height, seconds, sound=sound, sight=sight)
        return made[: len(made) * 2 // 3] if self.fault == "truncated" else made

    def is_over(self, plan: Videos) -> bool:
        """Whether its link has expired."""
        return self.fault == "expired" or time.time() > self.began + self.seconds + plan.link_seconds


def read_of(model: str, prompt: str) -> str:
    """What the model reads of the prompt."""
    return prompt[: next(length for name, length in PROMPT_LENGTHS.items() if model.startswith(name))]


def refused_size(model: str, size: str) -> bool:
    """Whether the model makes no such pictures."""
    width, height = map(int, size.split("*"))
    sides = next((sides for name, sides in SIDES.items() if model.startswith(name)), (1, 10_000))
    pixels = next((pixels for name, pixels in PIXELS.items() if model.startswith(name)), (1, 10**8))
    return not (
        sides[0] <= min(width, height) <= max(width, height) <= sides[1] and pixels[0] <= width * height <= pixels[1]
    )


def listed(jobs: list[Job], query: dict[str, str]) -> dict[str, Any]:
    """A page of the jobs that were created in a time."""
    since, until = (_moment(query[name]) for name in ("start_time", "end_time"))
    model = query.get("model_name")
    page, size = int(query.get("page_no", 1)), int(query.get("page_size", 10))
    found = [job for job in jobs if since <= job.began <= until + 1 and (not model or job.model == model)]
    return {
        "request_id": str(uuid.uuid4()),
        "data": [
            {"task_id": job.job_id, "status": job.status, "model_name": job.model, "gmt_create": int(job.began * 1000)}
            for job in found[(page - 1) * size : page * size]
        ],
        "total": len(found),
        "total_page": max(1, -(-len(found) // size)),
        "page_no": page,
        "page_size": size,
    }


def _stamp(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, CLOCK):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _moment(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=CLOCK).timestamp()
