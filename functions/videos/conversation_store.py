"""The rows of conversations and their messages, by the statements of queries.sql."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from longhaul import stored
from longhaul.database import Session, queries
from longhaul.tasks.model import aware
from videos.model import Brief

_queries = queries.load(__file__)

LAST_ID = 2**63 - 1  # no row lies beyond

type Author = Literal["user", "agent"]


@dataclass(frozen=True)
class Message:
    """What somebody said; `position` counts from 1. Times are aware, UTC, here and below."""

    position: int
    author: Author
    content: str
    created_at: datetime


@dataclass(frozen=True)
class Conversation:
    """A conversation with the number of its messages and the last one. `brief` is what the agent has understood."""

    id: int
    conversation_id: str
    user_id: str
    title: str
    brief: Brief
    messages: int
    last_message: Message | None
    created_at: datetime
    updated_at: datetime


def insert(tx: Session, conversation_id: str, tenant_id: str, user_id: str, title: str) -> None:
    _queries.insert_conversation(tx, conversation_id=conversation_id, tenant_id=tenant_id, user_id=user_id, title=title)


def list_conversations(session: Session, tenant_id: str, *, before: int, limit: int) -> list[Conversation]:
    """The tenant's conversations before that id, the newest first."""
    rows = _queries.list_conversations(session, tenant_id=tenant_id, before_id=before, limit=limit)
    return [_conversation(row) for row in rows]


def fetch(session: Session, conversation_id: str, tenant_id: str) -> Conversation | None:
    row = _queries.fetch_conversation(session, conversation_id=conversation_id, tenant_id=tenant_id)
    return _conversation(row) if row else None


def lock(tx: Session, conversation_id: str, tenant_id: str) -> tuple[int, int] | None:
    """Its id, and the number of its messages, to which nobody else adds until the transaction ends."""
    row = _queries.lock_conversation(tx, conversation_id=conversation_id, tenant_id=tenant_id)
    return (int(row["id"]), int(row["messages"])) if row else None


def add(
    tx: Session,
    id: int,
    seen: int,
    author: Author,
    content: str,
    *,
    brief: Brief | None = None,
    title: str | None = None,
) -> bool:
    """Whether the message was added behind the `seen` ones: False when another came since they were read."""
    text = brief.model_dump_json() if brief else None
    if not _queries.count_message(tx, id=id, seen=seen, brief=text, title=title):
        return False
    _queries.insert_message(tx, id=id, position=seen + 1, author=author, content=content)
    return True


def list_messages(
    session: Session, conversation_id: str, tenant_id: str, *, after: int, limit: int
) -> list[Message] | None:
    """The messages after that position (0 is before all); None when the tenant has no such conversation."""
    rows = _queries.list_messages(
        session, conversation_id=conversation_id, tenant_id=tenant_id, after=after, limit=limit
    )
    return [_message(row) for row in rows if row["position"] is not None] if rows else None


def _conversation(row: dict[str, Any]) -> Conversation:
    return Conversation(
        id=int(row["id"]),
        conversation_id=row["conversation_id"],
        user_id=row["user_id"],
        title=row["title"],
        brief=stored.read(Brief, json.loads(row["brief"])),
        messages=int(row["messages"]),
        last_message=None if row["position"] is None else _message(row),
        created_at=aware(row["created_at"]),
        updated_at=aware(row["updated_at"]),
    )


def _message(row: dict[str, Any]) -> Message:
    return Message(int(row["position"]), row["author"], row["content"], aware(row["said_at"]))
