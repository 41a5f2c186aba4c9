"""The language models' HTTP endpoint: the deployment's own model at /v1, those of `models` at /models/{name}/v1.

A prompt holds its question as one line of JSON, which a real model is instructed to answer too:

    {"ask": "cities", "province": "440000"}
    {"ask": "districts", "city": "440100"}
    {"ask": "hospitals", "district": "440103", "batch": 1, "batch_size": 20}
    {"ask": "conversation", "job": "<call_job_id>", "lines": [["Robot", "..."], ...], "today": "2026-11-24"}
    {"ask": "role", "task_id": "...", and material of any shape}
    {"ask": "question", "question": "...", "language": "zh"}             answered in prose
    {"ask": "extraction", "brand": "...", "competitors": [...], "answer": "..."}
    {"ask": "brief", "message": "...", "brief": {...}}
    {"ask": "script", "topic": "..."}
    {"ask": "storyboard", "topic": "...", "first": 1, "last": 8}

Roles, extractions, briefs, scripts and storyboards fit the schema of the request, or the one in its prompt. Brands are
those of the controls, else `models.BRANDS`. Any other question, or a prompt without one, is answered by `invention`:
with a schema by JSON that satisfies it, else in prose.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from local.providers.faults import Chat, Fault, Faults
from local.providers.journal import Call, Journal
from local.providers.llm.completions import Question, error, respond
from local.providers.llm.invention import invent, reply
from local.providers.llm.knowledge import answer
from local.providers.llm.models import BRANDS, BY_NAME, opinion, prose
from local.providers.llm.refusals import refusal
from local.providers.llm.schemas import fit

MODEL = "longhaul-stand-in"
DEFAULT = "deepseek"  # the deployment's own model has the opinions of this one
HELD_SECONDS = 120  # longer than any client waits
KEYS = {
    "cities": "province",
    "districts": "city",
    "hospitals": "district",
    "conversation": "job",
    "role": "task_id",
    "question": "question",
    "extraction": "brand",
    "brief": "message",
    "script": "topic",
    "storyboard": "topic",
}
FITTED = ("role", "extraction", "brief", "script", "storyboard")
OFF_TOPIC = "今天天气不错，适合出门走走。"
PADDING = "\n以上内容仅供参考。"

# What models put around an answer.
WRAPPERS: dict[str, Callable[[str], str]] = {
    "fenced": lambda content: f"```json\n{content}\n```",
    "chatty": lambda content: f'好的 {{稍等}}，格式如 {{"示例": true}}：\n\n{content}\n\n如需补充请告诉我 :-}}',
    "thinking": lambda content: f'<think>\n先想想 {{"草稿": 1}}，{content[:20]}……\n</think>\n\n{content}',
    "bom": lambda content: f"\ufeff{content}",
    "withheld": lambda _: "",
    "empty": lambda _: "",
    "tool_calls": lambda _: "",
}
# Fields that a fault replaces in the choice of an answer, made of its content.
CHOICES: dict[str, dict[str, Callable[[str], Any]]] = {
    "parts": {"message": lambda content: {"role": "assistant", "content": [{"type": "text", "text": content}]}},
    "cut": {
        "finish_reason": lambda _: "length",
        "message": lambda content: {"role": "assistant", "content": content[: len(content) // 2]},
    },
    "filtered": {"finish_reason": lambda _: "content_filter"},
    "withheld": {"message": lambda _: {"role": "assistant", "content": None, "refusal": "抱歉，我不能回答。"}},
    "empty": {"message": lambda _: {"role": "assistant", "content": None}},
    "tool_calls": {
        "finish_reason": lambda _: "tool_calls",
        "message": lambda _: {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
    },
}
# Responses with status 200 that are no completions.
NO_COMPLETIONS: dict[str, Callable[[str], web.Response]] = {
    "no_choices": lambda _: web.json_response({"object": "chat.completion", "choices": []}),
    "html": lambda _: web.Response(text="<html><body>网关维护中</body></html>", content_type="text/html"),
    "gbk": lambda content: web.Response(
        body=json.dumps({"choices": [{"message": {"content": content}}]}, ensure_ascii=False).encode("gbk", "replace"),
        headers={"Content-Type": "application/json; charset=gbk"},
    ),
    "error_200": lambda _: web.json_response({"error": {"code": 502, "message": "Provider returned error"}}),
}


class Llm:
    """Serves the models; `faults` decides what goes wrong, `journal` notes each request."""

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
        name, fields = request.match_info.get("model", ""), question.fields()
        ask, batch = fields["ask"], fields.get("batch", 0)
        key = str(fields.get(KEYS.get(ask, ""), ""))
        plan = self._faults.chat(name)
        if part := next((part for part in plan.refuses if part in question.parts), None):
            self._journal.note(Call(ask, key, batch, f"refused {part}", name))
            return refusal(plan.manner, part)
        try:
            content = self._content(name, question, fields)
        except (KeyError, TypeError, ValueError) as reason:
            return error(400, "invalid_request_error", f"the question cannot be read: {reason!r}")
        with self._journal.at_work(name):
            fault, seconds = self._faults.decide_chat(name, key)
            self._journal.note(Call(ask, key, batch, fault or "ok", name))
            await asyncio.sleep(seconds + (HELD_SECONDS if fault == "timeout" else 0))
            return await self._answer(request, plan, fault, question, content)

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
        if fault in NO_COMPLETIONS:
            return NO_COMPLETIONS[fault](content)
        self._answered += 1
        content = WRAPPERS.get(fault, str)(content) if fault else content
        choice = {name: value(content) for name, value in CHOICES.get(fault or "", {}).items()}
        return await respond(request, self._answered, question, content, choice=choice)

    def _content(self, name: str, question: Question, fields: dict[str, Any]) -> str:
        controls = self._faults.controls
        if fields["ask"] == "question":
            brands = fields.get("brands") or controls.brands or BRANDS
            return prose(opinion(name or DEFAULT, fields["question"], brands), str(fields.get("language", "zh")))
        if fields["ask"] not in KEYS:
            return _invented(question)
        value = answer(fields, controls.edition)
        if question.schema and fields["ask"] in FITTED:
            value = fit(question.schema, value)
        return json.dumps(value, ensure_ascii=False)

    def _refused(self, request: web.Request) -> web.Response | None:
        """Refuse an unknown model, or a key that is not this model's."""
        name = request.match_info.get("model", "")
        if name and name not in BY_NAME:
            return error(404, "model_not_found", f"no such model: {name}")
        accepted = BY_NAME[name].key(self._api_key) if name else self._api_key
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and key and accepted in ("", key):
            return None
        return error(401, "invalid_api_key", "no such API key")


def _invented(question: Question) -> str:
    """Return an answer to what no domain of `knowledge` knows."""
    if question.schema:
        return json.dumps(invent(question.schema, question.prompt), ensure_ascii=False)
    said = reply(question.prompt)
    return json.dumps({"answer": said}, ensure_ascii=False) if "json_object" in question.parts else said


def _padded(content: str, size: int) -> str:
    """Return the content padded to that number of bytes; JSON stays JSON."""
    padding = " " if content.startswith("{") else PADDING
    return content + padding * max(0, -(-(size - len(content.encode())) // len(padding.encode())))
