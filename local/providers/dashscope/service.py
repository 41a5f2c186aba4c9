"""The HTTP endpoint of DashScope's asynchronous jobs.

    POST /api/v1/services/aigc/{...}/{...}     create a job (X-DashScope-Async: enable)
    GET  /api/v1/tasks/{id}                    how it stands
    GET  /api/v1/tasks/?start_time=&...        the account's jobs of a time
    POST /api/v1/tasks/{id}/cancel             only one that is queued
    GET  /dashscope/{id}.png|mp4               a result, by its link

The faults (`faults.Videos`) of a request: `throttled`, `500`, `timeout`, `drop` (nothing was done), `lost_answer` (a
job was created, the answer breaks off). The others are what the job comes to: `failed`, `unknown`, and a result that is
`truncated`, `short`, without sound or picture, or whose link has `expired`.
"""

import asyncio
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, cast

import aiohttp
from aiohttp import web

from local.providers.dashscope.jobs import Job, listed, read_of, refused_size
from local.providers.faults import Faults, VideoFault
from local.providers.journal import Call, Journal

HELD_SECONDS = 120  # longer than any client waits
FETCH_SECONDS = 10
OF_REQUESTS = ("throttled", "500", "timeout", "drop", "lost_answer")


class Dashscope:
    """Serves jobs; `faults` decides what goes wrong, `journal` notes each request."""

    def __init__(self, faults: Faults, journal: Journal, api_key: str) -> None:
        self._faults = faults
        self._journal = journal
        self._api_key = api_key
        self._jobs: dict[str, Job] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/api/v1/services/aigc/{task}/{function}", self.create),
            web.get("/api/v1/tasks/", self.list),
            web.get("/api/v1/tasks/{job_id}", self.read),
            web.post("/api/v1/tasks/{job_id}/cancel", self.cancel),
            web.get("/dashscope/{name}", self.download, allow_head=False),
        ]

    def forget(self) -> None:
        """There are no jobs."""
        self._jobs.clear()

    async def create(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        try:
            body = await request.json()
            model, given = str(body["model"]), dict(body["input"])
            prompt, parameters = read_of(model, str(given["prompt"])), dict(body.get("parameters", {}))
        except (ValueError, KeyError, TypeError):
            return _error(400, "InvalidParameter", "model and input.prompt are required")
        if refused_size(model, str(parameters.get("size", "1024*1024" if "2.2" in model else "1280*1280"))):
            return _error(400, "InvalidParameter", "size is not supported")
        if request.headers.get("X-DashScope-Async") != "enable":
            return _error(403, "AccessDenied", "current user api does not support synchronous calls.")
        fault, seconds = self._faults.decide_video("create")
        self._journal.note(Call("video", "create", 0, fault or "ok", model))
        await asyncio.sleep(seconds)
        if fault in OF_REQUESTS and fault != "lost_answer":
            return await _faulty(request, fault)
        plan = self._faults.controls.videos
        job = Job(
            model,
            prompt,
            parameters,
            is_image="image" in request.match_info["function"],
            seconds=plan.job_seconds,
            fault=None if fault == "lost_answer" else fault,
            refused=any(word in prompt for word in plan.refuses),
        )
        self._jobs[job.job_id] = job
        if link := given.get("img_url"):
            job.failure = await _unreadable(str(link))
        answer = {"request_id": str(uuid.uuid4()), "output": {"task_id": job.job_id, "task_status": "PENDING"}}
        if fault == "lost_answer":
            _abort(request)
        return web.json_response(answer)

    async def read(self, request: web.Request) -> web.StreamResponse:
        job_id = request.match_info["job_id"]
        job = self._jobs.get(job_id)
        unknown = {"task_id": job_id, "task_status": "UNKNOWN"}
        output = job.output(request.host) if job else unknown
        usage = {"usage": job.usage()} if job and output["task_status"] == "SUCCEEDED" else {}
        return await self._serve(request, "read", {"request_id": str(uuid.uuid4()), "output": output, **usage})

    async def list(self, request: web.Request) -> web.StreamResponse:
        try:
            page = listed(list(self._jobs.values()), cast(dict[str, str], dict(request.query)))
        except (KeyError, ValueError):
            return _error(400, "InvalidParameter", "start_time and end_time are required")
        return await self._serve(request, "list", page)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        job = self._jobs.get(request.match_info["job_id"])
        if job is None or job.status != "PENDING":
            return _error(400, "UnsupportedOperation", "Failed to cancel the task, please confirm if it is pending.")
        job.cancelled = True
        return await self._serve(request, "cancel", {"request_id": str(uuid.uuid4())})

    async def download(self, request: web.Request) -> web.StreamResponse:
        job = self._jobs.get(request.match_info["name"].partition(".")[0])
        plan = self._faults.controls.videos
        if job is None or request.query.get("Signature") != job.signature or job.is_over(plan):
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="text/xml")
        fault, seconds = self._faults.decide_video("download")
        self._journal.note(Call("video", "download", 0, fault or "ok"))
        await asyncio.sleep(seconds)
        if fault in OF_REQUESTS:
            return await _faulty(request, fault)
        body = await asyncio.to_thread(job.file, plan)
        return web.Response(body=body, content_type="image/png" if job.is_image else "video/mp4")

    async def _serve(self, request: web.Request, ask: str, answer: Mapping[str, Any]) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        fault, seconds = self._faults.decide_video(ask)
        self._journal.note(Call("video", ask, 0, fault or "ok"))
        await asyncio.sleep(seconds)
        return await _faulty(request, fault) if fault in OF_REQUESTS else web.json_response(answer)

    def _refused(self, request: web.Request) -> web.Response | None:
        if self._api_key and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return _error(401, "InvalidApiKey", "Invalid API-key provided.")
        return None


async def _unreadable(link: str) -> tuple[str, str] | None:
    """Why the picture that a clip begins with cannot be had; None when it can."""
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(link) as answer:
            if answer.status == 200 and (await answer.read()).startswith(b"\x89PNG"):
                return None
            return "InvalidParameter.DownloadFailed", f"the image answers {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return "InvalidParameter.DownloadFailed", f"the image cannot be downloaded: {type(error).__name__}"


async def _faulty(request: web.Request, fault: VideoFault | None) -> web.Response:
    match fault:
        case "throttled":
            return _error(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")
        case "drop":
            _abort(request)
        case "timeout":
            await asyncio.sleep(HELD_SECONDS)
    return _error(500, "InternalError", "An internal error has occurred.")


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message, "request_id": str(uuid.uuid4())}, status=status)
