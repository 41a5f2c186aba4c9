"""Conversations on the wire."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from longhaul.http import Timestamp
from videos.conversation_store import Author, Conversation, Message
from videos.conversations import Exchange, suggestion
from videos.model import Brief

MAX_BYTES = 32 * 1024
SHOWN_CHARACTERS = 500  # of a last message in a list
EXAMPLE_ID = "conv_3f2504e04f8941d39a0c0305e82c3301"


class NewConversation(BaseModel):
    """A conversation to begin. Its title is its topic, unless given."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [{"title": "Harbour film"}]})

    title: str = Field("", max_length=100)


class NewMessage(BaseModel):
    """What a user says: at most 32 KB."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"content": "A film of 30 s about the tide"}]}
    )

    content: str = Field(min_length=1, max_length=MAX_BYTES)

    @field_validator("content")
    @classmethod
    def fits(cls, content: str) -> str:
        if len(content.encode()) > MAX_BYTES:
            raise PydanticCustomError("too_large", f"a message has at most {MAX_BYTES // 1024} KB")
        return content


class MessageView(BaseModel):
    """A message."""

    position: int = Field(description="From 1.", examples=[1])
    author: Author
    content: str
    created_at: Timestamp

    @classmethod
    def of(cls, message: Message, characters: int | None = None) -> Self:
        """`characters`: as many of the content at most."""
        return cls.model_validate(vars(message) | {"content": message.content[:characters]})


class SuggestedTask(BaseModel):
    """What to submit to `POST /api/v1/tasks`."""

    kind: str = Field(examples=["video_generation"])
    params: dict[str, Any]


class ConversationView(BaseModel):
    """A conversation. `missing` are the fields of the brief that the agent asks for; without any there is a task."""

    conversation_id: str = Field(examples=[EXAMPLE_ID])
    user_id: str = Field(examples=["ada"])
    title: str
    brief: Brief
    missing: list[str] = Field(examples=[["style", "aspect"]])
    suggested_task: SuggestedTask | None
    messages: int = Field(description="How many there are.", examples=[4])
    last_message: MessageView | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, conversation: Conversation, *, characters: int | None = None) -> Self:
        """`characters`: as many of the last message at most."""
        last, task = conversation.last_message, suggestion(conversation)
        return cls.model_validate(
            vars(conversation)
            | {
                "missing": conversation.brief.missing,
                "suggested_task": task,
                "last_message": MessageView.of(last, characters) if last else None,
            }
        )


def in_list(conversation: Conversation) -> ConversationView:
    """The conversation as a list shows it."""
    return ConversationView.of(conversation, characters=SHOWN_CHARACTERS)


class ConversationPage(BaseModel):
    """A part of the tenant's conversations, the newest first, each with 500 characters of its last message at most."""

    items: list[ConversationView]
    next_cursor: str | None = Field(description="Continues after this page. Null on the last page.")


class MessagePage(BaseModel):
    """A part of a conversation, the oldest message first."""

    items: list[MessageView]
    next_cursor: str | None = Field(description="Continues after this page. Null on the last page.")


class ExchangeView(BaseModel):
    """A message with the agent's reply, and what the conversation has come to."""

    message: MessageView
    reply: MessageView | None = Field(
        description="Null while it is under way (read the messages), or when another message came first: that one is "
        "replied to."
    )
    brief: Brief
    missing: list[str]
    suggested_task: SuggestedTask | None

    @classmethod
    def of(cls, exchange: Exchange) -> Self:
        return cls(
            message=MessageView.of(exchange.message),
            reply=MessageView.of(exchange.reply) if exchange.reply else None,
            brief=exchange.conversation.brief,
            missing=exchange.conversation.brief.missing,
            suggested_task=SuggestedTask.model_validate(task) if (task := exchange.suggested_task) else None,
        )
