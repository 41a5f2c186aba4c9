"""The protocol's frames: what a client may send, and what Longhaul sends beside the notices. `docs/live.md` tells both.

A notice has `specversion`. Every other frame has a `type`. A client's `id` comes back in what answers it.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from longhaul.errors import LonghaulError, NotFound, PermanentError, TransientError, UnknownKind
from sockets.model import Topic

MAX_REQUEST_BYTES = 4096
MAX_ID = 64
ACTIONS = ("subscribe", "unsubscribe", "ping")

type Frame = dict[str, Any]


class FrameError(PermanentError):
    """What a client sent is not as the protocol has it."""

    def __init__(self, code: str, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.frame_code = code
        self.request_id = request_id


class Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str | None = Field(None, min_length=1, max_length=MAX_ID)


class Ping(Request):
    action: Literal["ping"]


class _OfTopic(Request):
    """One of `task_id`, `kind`, `all` and `alerts` says what."""

    task_id: str | None = Field(None, min_length=1, max_length=96)
    kind: str | None = Field(None, min_length=1, max_length=64)
    all: Literal[True] | None = None
    alerts: Literal[True] | None = None

    @model_validator(mode="after")
    def names_one_topic(self) -> Self:
        if sum(value is not None for value in (self.task_id, self.kind, self.all, self.alerts)) != 1:
            raise ValueError('name one of "task_id", "kind", "all": true and "alerts": true')
        return self

    @property
    def topic(self) -> Topic:
        if self.task_id is not None:
            return Topic("task_id", self.task_id)
        if self.kind is not None:
            return Topic("kind", self.kind)
        return Topic("all" if self.all else "alerts")


class Subscribe(_OfTopic):
    """With `last_sequence`, that of the last notice that was seen of it, what came after it is sent first."""

    action: Literal["subscribe"]
    last_sequence: str | None = Field(None, pattern=r"^[0-9]{16}\.[0-9]{8}$")


class Unsubscribe(_OfTopic):
    action: Literal["unsubscribe"]


_REQUESTS: TypeAdapter[Ping | Subscribe | Unsubscribe] = TypeAdapter(
    Annotated[Ping | Subscribe | Unsubscribe, Field(discriminator="action")]
)


def parse(text: str) -> Ping | Subscribe | Unsubscribe:
    """Raises FrameError with what is wrong."""
    data = text.encode(errors="replace")
    if len(data) > MAX_REQUEST_BYTES:
        raise FrameError("too_large", f"A request has at most {MAX_REQUEST_BYTES} bytes.")
    try:
        document = from_json(data, allow_inf_nan=False)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise FrameError("malformed", 'A frame is a JSON object: {"action": "subscribe", "task_id": "..."}.')
    given = document.get("id")
    request_id = given if isinstance(given, str) and 0 < len(given) <= MAX_ID else None
    if document.get("action") not in ACTIONS:
        raise FrameError("unknown_action", f"action is one of {', '.join(ACTIONS)}.", request_id)
    try:
        return _REQUESTS.validate_python(document)
    except ValidationError as error:
        places = [
            (".".join(str(part) for part in wrong["loc"][1:]), wrong["msg"].removeprefix("Value error, "))
            for wrong in error.errors()
        ]
        message = "; ".join(f"{place[:64]}: {wrong}" if place else wrong for place, wrong in places[:3])
        raise FrameError("invalid", message, request_id) from error


def pong(request: Ping) -> Frame:
    return _answering(request.id, {"type": "pong"})


def subscribed(request: Subscribe, sequence: str) -> Frame:
    """`sequence`: nothing that happened before it is missing from what was sent, or follows."""
    return _answering(request.id, {"type": "subscribed", **request.topic.frame, "sequence": sequence})


def unsubscribed(request: Unsubscribe) -> Frame:
    return _answering(request.id, {"type": "unsubscribed", **request.topic.frame})


def reset(topic: Topic) -> Frame:
    """Too much has happened since: read the tasks over HTTP."""
    return {"type": "reset", **topic.frame}


def error(problem: LonghaulError, request_id: str | None = None) -> Frame:
    """What a client is told of an error: of our own side only that it may be gone later."""
    match problem:
        case FrameError():
            code, message, request_id = problem.frame_code, str(problem), problem.request_id or request_id
        case UnknownKind(errors=[wrong, *_]):
            code, message = problem.code, wrong["detail"]
        case NotFound():
            code, message = problem.code, str(problem)
        case TransientError():
            code, message = "unavailable", "Longhaul cannot do this now. Send it again in a few seconds."
        case _:
            code, message = "internal_error", "Something went wrong on our side."
    return _answering(request_id, {"type": "error", "code": code, "message": message})


def _answering(request_id: str | None, frame: Frame) -> Frame:
    return frame if request_id is None else {**frame, "id": request_id}
