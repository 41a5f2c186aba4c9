"""The LLM stand-in: OpenAI's chat-completions protocol, for questions it can read.

A prompt that wants an answer holds one line of JSON, which a real model is told to answer as well:

    {"ask": "cities", "province": "440000"}
    {"ask": "districts", "city": "440100"}
    {"ask": "hospitals", "district": "440103", "batch": 1, "batch_size": 20}
    {"ask": "conversation", "job": "<call_job_id>", "lines": [["Robot", "..."], ...], "today": "2026-11-24"}
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

from aiohttp import web

from local.providers import divisions
from local.providers.conversations import verdict
from local.providers.faults import Fault, Faults
from local.providers.hospitals import hospitals_page
from local.providers.journal import Call, Journal

MODEL = "longhaul-stand-in"
NOTE = "hospitals are made up"
HELD_SECONDS = 120  # longer than any client waits
KEYS = {"cities": "province", "districts": "city", "hospitals": "district", "conversation": "job"}


class Llm:
    def __init__(self, faults: Faults, journal: Journal, api_key: str) -> None:
        self._faults = faults
        self._journal = journal
        self._api_key = api_key
        self._answered = 0

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.post("/v1/chat/completions", self.complete), web.get("/v1/models", self.models)]

    async def models(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return _error(401, "invalid_api_key", "no such API key")
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "longhaul"}
        return web.json_response({"object": "list", "data": [model]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        if not self._knows(request):
            return _error(401, "invalid_api_key", "no such API key")
        try:
            body = json.loads(await request.read())
            model, messages = str(body["model"]), [str(m["content"]) for m in body["messages"]]
        except (ValueError, KeyError, TypeError):
            return _error(400, "invalid_request_error", "model and messages are required")
        question = find_question(messages)
        try:
            told = answer(question, self._faults.controls.edition)
        except (KeyError, TypeError, ValueError) as error:
            return _error(400, "invalid_request_error", f"the question cannot be read: {error!r}")
        key = str(question.get(KEYS.get(question["ask"], ""), ""))
        fault, seconds = self._faults.decide(key)
        self._journal.note(Call(question["ask"], key, question.get("batch", 0), fault or "ok"))
        if fault == "timeout":
            await asyncio.sleep(HELD_SECONDS)
        await asyncio.sleep(seconds)
        return self._answer(request, fault, model, messages, told)

    def _answer(
        self, request: web.Request, fault: Fault | None, model: str, messages: list[str], told: dict[str, Any]
    ) -> web.StreamResponse:
        if fault == "429":
            return _error(429, "rate_limit_exceeded", "too many requests", {"Retry-After": "1"})
        if fault in ("500", "timeout"):
            return _error(500, "server_error", "the model is away")
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        content = json.dumps(told, ensure_ascii=False)
        if fault == "broken_json":
            content = content[: len(content) * 2 // 3] + " …"
        if fault == "wrong_schema":
            content = json.dumps({"answer": "抱歉，我不知道。"}, ensure_ascii=False)
        self._answered += 1
        return web.json_response(_completion(self._answered, model, messages, content))

    def _knows(self, request: web.Request) -> bool:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and bool(key) and self._api_key in ("", key)


def find_question(messages: list[str]) -> dict[str, Any]:
    """The latest line of JSON with an "ask"; {"ask": "other"} when there is none."""
    lines = [line.strip() for message in messages for line in message.splitlines()]
    for line in reversed(lines):
        if line.startswith('{"ask"'):
            try:
                question: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            return question
    return {"ask": "other"}


def answer(question: dict[str, Any], edition: int) -> dict[str, Any]:
    """What the stand-in knows: divisions as they are, hospitals made up, conversations by their words; nothing else."""
    answers: dict[str, Callable[[], dict[str, Any]]] = {
        "cities": lambda: _divisions("cities", divisions.cities(), question["province"]),
        "districts": lambda: _divisions("districts", divisions.districts(), question["city"]),
        "hospitals": lambda: hospitals_page(question["district"], edition, question["batch"], question["batch_size"]),
        "conversation": lambda: verdict(question["lines"], date.fromisoformat(question["today"])),
    }
    return answers.get(question["ask"], lambda: {"answer": "我只认识行政区划、医院和通话。"})()


def _divisions(kind: str, children: dict[str, list[divisions.Division]], parent: str) -> dict[str, Any]:
    return {kind: [asdict(child) for child in children.get(parent, [])]}


def _completion(number: int, model: str, messages: list[str], content: str) -> dict[str, Any]:
    asked, said = sum(map(len, messages)), len(content)  # a Chinese character is about one token
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "system_fingerprint": "longhaul-stand-in",
        "longhaul_note": NOTE,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": code, "code": code}}, status=status, headers=headers
    )
