"""Finds the answer in a model's text. A model thinks aloud, fences its JSON, adds prose, or is cut off.

The answer is the last JSON object that is outermost, stands outside of `<think>` and keeps the schema: drafts and
examples come before it. An object inside one that never ends is a part of a cut answer, and does not count.
"""

import json
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from longhaul.errors import AnswerCut, BadAnswer
from longhaul.llm.endpoint import Completion, End

MAX_UNREADABLE = 1_000  # objects that are not JSON: a text full of them holds no answer
MAX_COMPLAINTS = 10
MAX_SENT_BACK = 20_000  # characters of a wrong answer: all that is sent back is paid for again
MAX_CUT_SENT_BACK = 200  # characters of a cut answer

_THOUGHT = re.compile(r"<(?P<end>/?)think(?:ing)?>", re.IGNORECASE)
# A brace in prose begins no object: what follows it is neither a name nor an end.
_MARK = re.compile(rf'{_THOUGHT.pattern}|(?P<brace>\{{)(?=\s*["}}])', re.IGNORECASE)
_BRACES = re.compile(r"[{}]")


class Unusable(Exception):
    """The model's text holds no answer. `reason` quotes nothing of it.

    `complaint` is the next message to the model, after its own text, `sent_back`. It is empty when a repetition would
    give the same.
    """

    def __init__(self, reason: str, *, complaint: str = "", sent_back: str = "", cut: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.complaint = complaint
        self.sent_back = sent_back or "(empty)"  # an endpoint may refuse a message without text
        self.cut = cut

    def error(self) -> BadAnswer:
        return AnswerCut(self.reason) if self.cut else BadAnswer(self.reason)


def read[Answer: BaseModel](completion: Completion, answer: type[Answer]) -> Answer:
    """The completion as an `answer`. Raises Unusable."""
    _check(completion)
    invalid: ValidationError | None = None
    for found in reversed(_objects(completion.content)):
        try:
            return answer.model_validate_json(json.dumps(found))
        except ValidationError as error:
            invalid = invalid or error
    problems = _problems(invalid) if invalid else "it holds no JSON object"
    raise Unusable(
        f"the model's answer is not a {answer.__name__}: {problems}",
        complaint="Your answer is not the JSON that was asked for. Answer again with the whole JSON, corrected, in the"
        " same language. What is wrong:\n" + (_complaint(invalid) if invalid else "JSON: there is no JSON object"),
        sent_back=completion.content[:MAX_SENT_BACK],
    )


def read_text(completion: Completion) -> str:
    """The completion as free text, without the thoughts before it. Raises Unusable when nothing is left."""
    _check(completion)
    text = completion.content.lstrip("\ufeff")
    marks = list(_THOUGHT.finditer(text))
    if ends := [mark.end() for mark in marks if mark["end"]]:
        text = text[ends[-1] :]
    elif marks and not text[: marks[0].start()].strip():
        text = ""
    if not text.strip():
        raise Unusable("the model's answer is empty")
    return text.strip()


def _check(completion: Completion) -> None:
    if completion.end == End.withheld:
        raise Unusable("the model withholds its answer")
    if completion.end == End.cut:
        raise Unusable(
            "the model's answer is cut at its limit of tokens",
            complaint="Your answer was too long and was cut off. Answer again, shorter, with all of the JSON, in the"
            " same language.",
            sent_back=completion.content[:MAX_CUT_SENT_BACK],
            cut=True,
        )


def _objects(text: str) -> list[dict[str, Any]]:
    """The outermost objects outside of thoughts, in their order."""
    found: list[dict[str, Any]] = []
    position, thinking, unreadable = 0, False, 0
    while unreadable < MAX_UNREADABLE and (mark := _MARK.search(text, position)):
        position = mark.end()
        if not mark["brace"]:
            thinking = not mark["end"]
            if not thinking:
                found.clear()  # what came before were thoughts, with an opening mark or without
        elif not thinking:
            try:
                value, position = _DECODER.raw_decode(text, mark.start())
                found.append(value)
            except (ValueError, RecursionError):
                unreadable += 1
                position = _closing(text, mark.start())
    return found


def _closing(text: str, start: int) -> int:
    """The position after the brace that closes the one at `start`, by braces alone; without one the text's end."""
    depth = 0
    for brace in _BRACES.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return len(text)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_constant)  # models write line breaks within texts


def _complaint(error: ValidationError) -> str:
    """For the model: its own text may be quoted."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_COMPLAINTS]
    return "\n".join(f"{'/'.join(map(str, problem['loc'])) or 'JSON'}: {problem['msg']}" for problem in problems)


def _problems(error: ValidationError) -> str:
    """For our log: the kinds of problems only, as places and messages may quote the answer."""
    return ", ".join(sorted({problem["type"] for problem in error.errors(include_url=False, include_input=False)}))
