"""OpenAI's chat-completions protocol: a request's messages and schema, an answer whole or as a stream, an error."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

NOTE = "hospitals, roles and opinions are made up"
CHUNK = 2_000  # characters of a streamed answer in one event


@dataclass(frozen=True, slots=True)
class Question:
    """A request: the model, the messages, the schema of the answer if any, and whether the answer is streamed.

    `prompt` is the user's first message. `parts` are the names of what an endpoint may refuse in it. A schema may be in
    a message, on a line of its own.
    """

    model: str
    messages: tuple[str, ...]
    schema: dict[str, Any] | None
    streams: bool
    max_tokens: int | None
    parts: tuple[str, ...] = ()
    prompt: str = ""

    @classmethod
    def parse(cls, body: bytes) -> "Question":
        """Raises ValueError, KeyError, TypeError or AttributeError for any other body."""
        request = json.loads(body)
        form = request.get("response_format") or {}
        messages = tuple(str(message["content"]) for message in request["messages"])
        asked = [str(message["content"]) for message in request["messages"] if message.get("role") == "user"]
        sent = [name for name in ("temperature", "max_tokens") if name in request]
        return cls(
            model=str(request["model"]),
            messages=messages,
            schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else _schema_in(messages),
            streams=request.get("stream") is True,
            max_tokens=request.get("max_tokens", request.get("max_completion_tokens")),
            parts=(*([form["type"]] if form else []), *sent),
            prompt=(asked or [""])[0],
        )

    def fields(self) -> dict[str, Any]:
        """Return the last line of JSON with an "ask"; {"ask": "other"} when there is none."""
        lines = [line.strip() for message in self.messages for line in message.splitlines()]
        for line in reversed(lines):
            if line.startswith('{"ask"'):
                try:
                    question: dict[str, Any] = json.loads(line)
                except ValueError:
                    continue
                return question
        return {"ask": "other"}


def _schema_in(messages: tuple[str, ...]) -> dict[str, Any] | None:
    for line in (line for message in messages for line in message.splitlines()):
        if line.startswith("{") and '"properties"' in line:
            schema: dict[str, Any] = json.loads(line)
            return schema
    return None


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": code, "code": code}}, status=status, headers=headers
    )


async def respond(
    request: web.Request, number: int, question: Question, content: str, *, choice: dict[str, Any] | None = None
) -> web.StreamResponse:
    """Send the answer, streamed or not as requested. Each character counts as a token, as a Chinese one about is.

    `choice` replaces fields of the answer's choice: how it ended, or its message.
    """
    kept = content[: question.max_tokens]
    usage = {"prompt_tokens": sum(map(len, question.messages)), "completion_tokens": len(kept)}
    usage["total_tokens"] = sum(usage.values())
    ended = "stop" if kept == content else "length"
    if not question.streams:
        message = {"role": "assistant", "content": kept}
        whole = {"index": 0, "finish_reason": ended, "message": message} | (choice or {})
        return web.json_response(_envelope(number, question, "chat.completion", [whole]) | {"usage": usage})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    for event in _events(number, question, kept, ended, usage):
        await response.write(f"data: {event}\n\n".encode())
    await response.write_eof()
    return response


def _events(number: int, question: Question, content: str, ended: str, usage: dict[str, int]) -> Iterator[str]:
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": content[start : start + CHUNK]} for start in range(0, len(content), CHUNK)]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": ended})
    for choice in choices:
        yield json.dumps(_envelope(number, question, "chat.completion.chunk", [choice]), ensure_ascii=False)
    yield json.dumps(_envelope(number, question, "chat.completion.chunk", []) | {"usage": usage})
    yield "[DONE]"


def _envelope(number: int, question: Question, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": 0,
        "model": question.model,
        "system_fingerprint": "longhaul-stand-in",
        "longhaul_note": NOTE,
        "choices": choices,
    }
