"""OpenAI's chat-completions protocol: a question's messages and schema, an answer whole or as a stream, an error."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

NOTE = "hospitals, roles and opinions are made up"
PIECE = 2_000  # characters of a streamed answer that come at once


@dataclass(frozen=True, slots=True)
class Question:
    """A request: who is asked for what, with which schema, if any, and whether the answer is to be streamed."""

    model: str
    messages: tuple[str, ...]
    schema: dict[str, Any] | None
    streams: bool
    most_tokens: int | None

    @classmethod
    def parse(cls, body: bytes) -> "Question":
        """Raises ValueError, KeyError, TypeError or AttributeError for what is no such request."""
        asked = json.loads(body)
        form = asked.get("response_format") or {}
        return cls(
            model=str(asked["model"]),
            messages=tuple(str(message["content"]) for message in asked["messages"]),
            schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else None,
            streams=asked.get("stream") is True,
            most_tokens=asked.get("max_tokens"),
        )

    def asked(self) -> dict[str, Any]:
        """The latest line of JSON with an "ask"; {"ask": "other"} when there is none."""
        lines = [line.strip() for message in self.messages for line in message.splitlines()]
        for line in reversed(lines):
            if line.startswith('{"ask"'):
                try:
                    question: dict[str, Any] = json.loads(line)
                except ValueError:
                    continue
                return question
        return {"ask": "other"}


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "type": code, "code": code}}, status=status, headers=headers
    )


async def respond(request: web.Request, number: int, question: Question, content: str) -> web.StreamResponse:
    """The answer as it was asked for; a Chinese character is about one token, and so is any other here."""
    kept = content[: question.most_tokens]
    usage = {"prompt_tokens": sum(map(len, question.messages)), "completion_tokens": len(kept)}
    usage["total_tokens"] = sum(usage.values())
    ended = "stop" if kept == content else "length"
    if not question.streams:
        message = {"role": "assistant", "content": kept}
        choice: dict[str, Any] = {"index": 0, "finish_reason": ended, "message": message}
        return web.json_response(_envelope(number, question, "chat.completion", [choice]) | {"usage": usage})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    for event in _events(number, question, kept, ended, usage):
        await response.write(f"data: {event}\n\n".encode())
    await response.write_eof()
    return response


def _events(number: int, question: Question, content: str, ended: str, usage: dict[str, int]) -> Iterator[str]:
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": content[start : start + PIECE]} for start in range(0, len(content), PIECE)]
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
