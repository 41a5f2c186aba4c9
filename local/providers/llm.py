"""The stand-in for the language models: the deployment's own at /v1, each of `models.PERSONAS` at /models/{name}/v1.

A prompt that wants an answer holds one line of JSON, which a real model is told to answer as well:

    {"ask": "cities", "province": "440000"}
    {"ask": "districts", "city": "440100"}
    {"ask": "hospitals", "district": "440103", "batch": 1, "batch_size": 20}
    {"ask": "conversation", "job": "<call_job_id>", "lines": [["Robot", "..."], ...], "today": "2026-11-24"}
    {"ask": "role", "task_id": "...", and material of any shape}
    {"ask": "question", "question": "...", "language": "zh"}             answered in words
    {"ask": "extraction", "brand": "...", "competitors": [...], "answer": "..."}

The last three fit the schema that comes with the request. Brands are those of the controls, else `models.BRANDS`.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

from aiohttp import web

from local.providers import divisions
from local.providers.completions import Question, error, respond
from local.providers.conversations import verdict
from local.providers.faults import Chat, Fault, Faults
from local.providers.hospitals import hospitals_page
from local.providers.journal import Call, Journal
from local.providers.models import BRANDS, BY_NAME, opinion
from local.providers.opinions import read, words
from local.providers.roles import role
from local.providers.shapes import fit

MODEL = "longhaul-stand-in"
DEFAULT = "deepseek"  # whose opinions the deployment's own model has
HELD_SECONDS = 120  # longer than any client waits
KEYS = {
    "cities": "province",
    "districts": "city",
    "hospitals": "district",
    "conversation": "job",
    "role": "task_id",
    "question": "question",
    "extraction": "brand",
}
FITTED = ("role", "extraction")
OFF_TOPIC = "今天天气不错，适合出门走走。"
PADDING = "\n以上内容仅供参考。"


class Llm:
    def __init__(self, faults: Faults, journal: Journal, api_key: str) -> None:
        self._faults = faults
        self._journal = journal
        self._api_key = api_key
        self._answered = 0

    def routes(self) -> Iterable[web.RouteDef]:
        for prefix in ("/v1", "/models/{model}/v1"):
            yield web.post(f"{prefix}/chat/completions", self.complete)
            yield web.get(f"{prefix}/models", self.models)

    async def models(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        name = request.match_info.get("model", "")
        model = {"id": BY_NAME[name].model if name else MODEL, "object": "model", "created": 0, "owned_by": "longhaul"}
        return web.json_response({"object": "list", "data": [model]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        try:
            question = Question.parse(await request.read())
        except (ValueError, KeyError, TypeError, AttributeError):
            return error(400, "invalid_request_error", "model and messages are required")
        name, asked = request.match_info.get("model", ""), question.asked()
        try:
            content = self._content(name, question, asked)
        except (KeyError, TypeError, ValueError) as reason:
            return error(400, "invalid_request_error", f"the question cannot be read: {reason!r}")
        with self._journal.at_work(name):
            key = str(asked.get(KEYS.get(asked["ask"], ""), ""))
            fault, seconds = self._faults.decide_chat(name, key)
            self._journal.note(Call(asked["ask"], key, asked.get("batch", 0), fault or "ok", name))
            await asyncio.sleep(seconds + (HELD_SECONDS if fault == "timeout" else 0))
            return await self._answer(request, self._faults.chat(name), fault, question, content)

    async def _answer(
        self, request: web.Request, plan: Chat, fault: Fault | None, question: Question, content: str
    ) -> web.StreamResponse:
        if fault == "429":
            return error(429, "rate_limit_exceeded", "too many requests", {"Retry-After": f"{plan.retry_after:g}"})
        if fault in ("500", "timeout"):
            return error(500, "server_error", "the model is away")
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        if fault == "broken_json":
            content = content[: len(content) * 2 // 3] + " …"
        if fault == "wrong_schema":
            content = json.dumps({"answer": "抱歉，我不知道。"}, ensure_ascii=False)
        if fault == "off_topic":
            content = OFF_TOPIC
        if fault == "long":
            content = _padded(content, plan.long_bytes)
        self._answered += 1
        return await respond(request, self._answered, question, content)

    def _content(self, name: str, question: Question, asked: dict[str, Any]) -> str:
        controls = self._faults.controls
        if asked["ask"] == "question":
            told = opinion(name or DEFAULT, asked["question"], asked.get("brands") or controls.brands or BRANDS)
            return words(told, str(asked.get("language", "zh")))
        value = answer(asked, controls.edition)
        if question.schema and asked["ask"] in FITTED:
            value = fit(question.schema, value)
        return json.dumps(value, ensure_ascii=False)

    def _refused(self, request: web.Request) -> web.Response | None:
        """A model there is none of, or a key that is not this model's."""
        name = request.match_info.get("model", "")
        if name and name not in BY_NAME:
            return error(404, "model_not_found", f"no such model: {name}")
        accepted = BY_NAME[name].key(self._api_key) if name else self._api_key
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and key and accepted in ("", key):
            return None
        return error(401, "invalid_api_key", "no such API key")


def answer(question: dict[str, Any], edition: int) -> dict[str, Any]:
    """What the stand-in knows: divisions as they are, hospitals made up, conversations by their words; nothing else."""
    answers: dict[str, Callable[[], dict[str, Any]]] = {
        "cities": lambda: _divisions("cities", divisions.cities(), question["province"]),
        "districts": lambda: _divisions("districts", divisions.districts(), question["city"]),
        "hospitals": lambda: hospitals_page(question["district"], edition, question["batch"], question["batch_size"]),
        "conversation": lambda: verdict(question["lines"], date.fromisoformat(question["today"])),
        "role": lambda: role({name: value for name, value in question.items() if name not in ("ask", "task_id")}),
        "extraction": lambda: read(question["answer"], question["brand"], question["competitors"]),
    }
    return answers.get(question["ask"], lambda: {"answer": "我只认识行政区划、医院、通话、角色和品牌。"})()


def _divisions(kind: str, children: dict[str, list[divisions.Division]], parent: str) -> dict[str, Any]:
    return {kind: [asdict(child) for child in children.get(parent, [])]}


def _padded(content: str, size: int) -> str:
    """At least so many bytes: JSON stays JSON."""
    padding = " " if content.startswith("{") else PADDING
    return content + padding * max(0, -(-(size - len(content.encode())) // len(padding.encode())))
