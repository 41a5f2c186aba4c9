"""The demo of calls: a campaign until everybody was called, then its first page and a recording."""

import asyncio
import io
import time
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import ClassVar
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from local.demo.running import fetch, seconds
from local.options import StackError
from local.running import RunningStack
from longhaul_client.api import Api
from longhaul_client.documents import Document
from longhaul_client.resources import Tasks

MAX_LEADS = 1_000  # in one request
CALL_SECONDS = 3
ROUNDS = 5  # calls of each line, about, whatever the number of leads

PAGE = "/api/query-task-execution"
PAGE_SIZE = 10
LINES_SHOWN = 4  # of each conversation
RECORDINGS_SECONDS = 60.0
LOOK_EVERY = 0.5

OUTCOMES = (
    "connected",
    "no_answer",
    "busy",
    "powered_off",
    "not_connected",
    "empty_number",
    "out_of_service",
    "cancelled",
    "failed",
)
SURNAMES = "王李张刘陈杨黄赵吴周"
CHINA = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Calls:
    """`leads`: how many people are called."""

    leads: int

    minute: ClassVar[float] = 3.0
    parameters: ClassVar[Mapping[str, str]] = {"CallSyncSeconds": "1"}

    async def submit(self, api: Api, stack: RunningStack) -> str:
        """Submit the campaign and add all its leads, a thousand in each request."""
        plan = {"call_seconds": CALL_SECONDS, "call_lines": -(-self.leads // ROUNDS)}
        fetch(f"{stack.provider_url}/control", "PUT", {"outbound": plan})
        first, *others = batched(map(_lead, range(1, self.leads + 1)), MAX_LEADS, strict=False)
        params = {"name": "秋季回访", "script_id": "demo", "leads": first, "open": bool(others)}
        task_id = str((await Tasks(api).submit("call_campaign", params))["task_id"])
        for number, more in enumerate(others, 1):
            body = {"leads": more, "last": number == len(others)}
            await api.send("POST", f"/api/v1/campaigns/{task_id}/leads", body=body)
        return task_id

    def doing(self, task: Document) -> str:
        if not (figures := task["statistics"]):
            return str(task["status"])
        counts = {name: figures.get(name, 0) for name in ("final", "leads", "connected", "interested")}
        return "{final} of {leads} calls are over, {connected} connected, {interested} interested".format_map(counts)

    def summary(self, task: Document) -> Mapping[str, object]:
        result = task["result"]
        names = ("leads", *OUTCOMES, "interested")
        figures = {name.replace("_", " "): result.get(name, 0) for name in names}
        return {**figures, "talk time": f"{result['talk_seconds']} s", "seconds": seconds(task)}

    async def show(self, console: Console, api: Api, stack: RunningStack, task: Document) -> None:
        """Print the first page of calls, and save one of its recordings."""
        page = await _page_with_recordings(api, task["task_id"])
        console.print(_table(page))
        call = next((call for call in page["items"] if call["recording_status"] == "ready"), None)
        if call is None:
            console.print("None of these calls was connected, so there is no recording.")
            return
        recording = fetch(call["recording_url"])
        path = stack.options.state / "recording.wav"
        path.write_bytes(recording)
        length = f"{_length(recording):.1f} s, {len(recording):,} bytes"
        console.print(f"The recording of job {call['job_seq']} ({length}) is kept in {path}", soft_wrap=True)


def _lead(number: int) -> Document:
    title = "女士" if number % 2 else "先生"
    return {
        "leads_id": f"L-{number:05}",
        "phone": f"138{number:08}",
        "name": SURNAMES[number % len(SURNAMES)] + title,
    }


async def _page_with_recordings(api: Api, task_id: str) -> Document:
    """Return the first page once all of its recordings are there. Requesting it has them fetched."""
    deadline = time.monotonic() + RECORDINGS_SECONDS
    query = {"task_id": task_id, "page": 1, "page_size": PAGE_SIZE, "skip_recording": False}
    while True:
        page = await api.send("POST", PAGE, body=query)
        pending = sum(call["recording_status"] == "pending" for call in page["items"])
        if not pending:
            return page
        if time.monotonic() > deadline:
            raise StackError(f"{pending} recordings of the page were not there after {RECORDINGS_SECONDS:.0f} s")
        await asyncio.sleep(LOOK_EVERY)


def _table(page: Document) -> Table:
    title = (
        f"The first {len(page['items'])} of {page['total']} calls from POST {PAGE}. Nobody was called: calls, "
        "conversations and recordings are made up by the provider's stand-in."
    )
    table = Table(title=title, title_justify="left", show_lines=True)
    for name in ("job", "lead and call", "conversation", "follow-up"):
        table.add_column(name, overflow="fold")
    for call in page["items"]:
        table.add_row(str(call["job_seq"]), _call(call), _conversation(call), _follow_up(call))
    return table


def _call(call: Document) -> str:
    lines = (call["leads_id"], call["name"], call["call_status"], call["call_result"])
    return "\n".join([*lines, f"recording {call['recording_status']}"])


def _conversation(call: Document) -> str:
    lines = call["call_conversation"] or []
    shown = [f"{line['speaker']}：{line['script']}" for line in lines[:LINES_SHOWN]]
    left = len(lines) - len(shown)
    return "\n".join([*shown, f"({left} more lines)"] if left else shown)


def _follow_up(call: Document) -> str:
    interest = {True: "interested", False: "not interested", None: ""}[call["is_interested"]]
    when = call["follow_data"]["next_follow_time"]
    again = f"next {datetime.fromisoformat(when).astimezone(CHINA):%d %b, %H:%M} in China" if when else ""
    return "\n".join(filter(None, (interest, call["follow_data"]["leads_remark"], again)))


def _length(data: bytes) -> float:
    """Return the seconds that a WAV file plays. Raises StackError when it does not play."""
    try:
        with wave.open(io.BytesIO(data)) as sound:
            frames = sound.readframes(sound.getnframes())
            length: float = len(frames) / (sound.getsampwidth() * sound.getnchannels() * sound.getframerate())
            return length
    except (wave.Error, EOFError) as error:
        raise StackError(f"the recording does not play: {error}") from error
