"""Conversations before a video: a user says what it is to be, the agent asks for what is missing.

A message is stored first, then the language model is asked, then its reply is stored: a request that dies between is
sent again with its Idempotency-Key, and asks for the reply alone, unless that is under way. The model reads what is
understood so far (the brief) and the newest messages that fit into CONTEXT_CHARACTERS; older ones are in the brief.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from longhaul import database, llm
from longhaul.cache import debounce
from longhaul.database import Session
from longhaul.errors import Conflict, NotFound
from longhaul.idempotency import KeyedRequest, claim, save_answer
from longhaul.llm import prompts
from videos import conversation_store as store
from videos.conversation_store import LAST_ID, Conversation, Message
from videos.model import KIND, Brief

MAX_MESSAGES = 1_000
CONTEXT_CHARACTERS = 12_000
CONTEXT_MESSAGES = 40
REPLY_TOKENS = 800
TITLE_CHARACTERS = 100
REPLY_SECONDS = 300  # the function's time: a reply that was asked for longer ago does not come

_prompts = prompts.load(__file__)


class ConversationFull(Conflict):
    """The conversation has as many messages as it may; begin another."""

    code = "conversation_full"


class Turn(BaseModel):
    """What the agent answers, and what it has understood until now."""

    reply: str = Field(min_length=1, max_length=4_000, description="What the user reads, in the user's language.")
    brief: Brief


@dataclass(frozen=True)
class Exchange:
    """A message, what was replied, and the conversation after it. `reply` is None while it is under way, and when
    another message came first."""

    conversation: Conversation
    message: Message
    reply: Message | None

    @property
    def suggested_task(self) -> dict[str, Any] | None:
        """What to submit, once nothing is missing."""
        return suggestion(self.conversation)


def begin(user_id: str, title: str, request: KeyedRequest) -> Conversation:
    """A new conversation; the one that the same key has begun before. Raises KeyReused."""

    def write(tx: Session) -> str:
        if not claim(tx, request):
            return str(request.answer)
        conversation_id = f"conv_{uuid.uuid4().hex}"
        store.insert(tx, conversation_id, request.tenant_id, user_id, title)
        save_answer(tx, request, conversation_id)
        return conversation_id

    return read(database.run_transaction(write), request.tenant_id)


def list_conversations(tenant_id: str, *, before: int | None, limit: int) -> tuple[list[Conversation], int | None]:
    """Conversations before that id, the newest first, and the id that the next ones are before."""
    with database.connection() as session:
        found = store.list_conversations(session, tenant_id, before=before or LAST_ID, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def read(conversation_id: str, tenant_id: str) -> Conversation:
    """Here and below: raises NotFound."""
    with database.connection() as session:
        found = store.fetch(session, conversation_id, tenant_id)
    if found is None:
        raise _missing(conversation_id)
    return found


def list_messages(conversation_id: str, tenant_id: str, *, after: int, limit: int) -> tuple[list[Message], int | None]:
    """Messages after that position, and the position that the next ones are after."""
    with database.connection() as session:
        found = store.list_messages(session, conversation_id, tenant_id, after=after, limit=limit + 1)
    if found is None:
        raise _missing(conversation_id)
    return found[:limit], found[limit - 1].position if len(found) > limit else None


def say(conversation_id: str, content: str, request: KeyedRequest) -> Exchange:
    """Add a user's message, and the agent's reply to it. Raises ConversationFull, KeyReused, and as `llm.consult`."""

    def write(tx: Session) -> int:
        locked = store.lock(tx, conversation_id, request.tenant_id)
        if locked is None:
            raise _missing(conversation_id)
        if not claim(tx, request):
            return int(request.answer)
        id, seen = locked
        if seen + 2 > MAX_MESSAGES:
            raise ConversationFull
        store.add(tx, id, seen, "user", content)
        save_answer(tx, request, seen + 1)
        return seen + 1

    position = database.run_transaction(write)
    conversation = read(conversation_id, request.tenant_id)
    if conversation.messages == position:
        _reply_once(conversation, request.tenant_id)
        conversation = read(conversation_id, request.tenant_id)
    with database.connection() as session:
        found = store.list_messages(session, conversation_id, request.tenant_id, after=position - 1, limit=2) or []
    replies = [message for message in found[1:] if message.author == "agent"]
    return Exchange(conversation, found[0], replies[0] if replies else None)


def material(conversation_id: str, tenant_id: str, topic: str) -> str:
    """What a script is made of: the topic, and what the user has said."""
    conversation = read(conversation_id, tenant_id)
    with database.connection() as session:
        found = store.list_messages(session, conversation_id, tenant_id, after=0, limit=MAX_MESSAGES) or []
    said = context([message for message in found if message.author == "user"])
    lines = [topic or conversation.brief.topic or "", *(message.content[:CONTEXT_CHARACTERS] for message in said)]
    return "\n".join(dict.fromkeys(line for line in lines if line)) or "what the title says"


def suggestion(conversation: Conversation) -> dict[str, Any] | None:
    """The task that a whole brief asks for."""
    brief = conversation.brief
    if brief.missing:
        return None
    return {"kind": KIND, "params": {**brief.model_dump(), "conversation_id": conversation.conversation_id}}


def context(messages: list[Message]) -> list[Message]:
    """The newest messages that fit, in their order; the last one always, cut where it is longer."""
    kept, room = list[Message](), CONTEXT_CHARACTERS
    for message in reversed(messages[-CONTEXT_MESSAGES:]):
        room -= len(message.content)
        if room < 0 and kept:
            break
        kept.append(message)
    return kept[::-1]


def _reply_once(conversation: Conversation, tenant_id: str) -> None:
    """Ask the model, unless another request has: the gateway answers 503 long before the model, and clients try again.

    Raises as `_reply`; then the next request asks.
    """
    mark = f"reply:{conversation.conversation_id}:{conversation.messages}"
    if not debounce.claim(mark, "asked_at", every=REPLY_SECONDS):
        return
    try:
        _reply(conversation, tenant_id)
    except Exception:
        debounce.write(mark, asked_at=0.0)
        raise


def _reply(conversation: Conversation, tenant_id: str) -> None:
    """Ask the model, and store what it says unless another message came meanwhile, which is then replied to."""
    after = max(0, conversation.messages - CONTEXT_MESSAGES)
    with database.connection() as session:
        found = store.list_messages(
            session, conversation.conversation_id, tenant_id, after=after, limit=CONTEXT_MESSAGES
        )
    recent = context(found or [])
    spoken = "\n".join(f"{message.author}: {message.content[:CONTEXT_CHARACTERS]}" for message in recent)
    known = conversation.brief.model_dump()
    asked = {"brief": known, "message": recent[-1].content[:500]}
    prompt = _prompts.render("brief", asked, known=json.dumps(known, ensure_ascii=False), spoken=spoken)
    turn = llm.ask(prompt, Turn, system=_prompts.system(), max_tokens=REPLY_TOKENS)
    brief = conversation.brief.and_then(turn.brief)
    title = brief.topic[:TITLE_CHARACTERS] if brief.topic and not conversation.title else None

    def write(tx: Session) -> None:
        store.add(tx, conversation.id, conversation.messages, "agent", turn.reply, brief=brief, title=title)

    database.run_transaction(write)


def _missing(conversation_id: str) -> NotFound:
    return NotFound(f"there is no conversation {conversation_id}")
