"""Dead letters on the wire."""

from pydantic import BaseModel, ConfigDict, Field

from alerts.dead_letters import Letter, QueueState
from longhaul.http import Timestamp

MAX_REDRIVEN, MAX_SHOWN = 1_000, 50


class DeadLetterQueue(BaseModel):
    """A queue's dead letters."""

    model_config = ConfigDict(frozen=True)

    queue: str = Field(examples=["Progress"])
    count: int = Field(description="Messages that have failed three times.")
    oldest_at: Timestamp | None = Field(None, description="When the oldest was sent, of up to 50 that were looked at.")


class DeadLetterQueues(BaseModel):
    """All queues."""

    items: list[DeadLetterQueue]


class DeadLetterDocument(BaseModel):
    """A message that has failed three times. It was only looked at, and stays."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    body: str = Field(description="Its first 4,000 characters.")
    sent_at: Timestamp
    task_id: str | None = Field(description="The task that it names.")
    reason: str = Field(description="What its task says of it. The function's log has the error.")


class DeadLetters(BaseModel):
    """Some of a queue's dead letters, the oldest first."""

    items: list[DeadLetterDocument]


class RedriveRequest(BaseModel):
    """How many messages are to be put back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"limit": 100}]})

    limit: int = Field(100, ge=1, le=MAX_REDRIVEN, strict=True)


class RedrivenDocument(BaseModel):
    """How many messages were put back into their queue. With some left, ask again."""

    model_config = ConfigDict(frozen=True)

    moved: int
    left: int


def queue_document(state: QueueState) -> DeadLetterQueue:
    return DeadLetterQueue(queue=state.queue, count=state.number, oldest_at=state.oldest_at)


def letter_document(letter: Letter) -> DeadLetterDocument:
    return DeadLetterDocument.model_validate(vars(letter))
