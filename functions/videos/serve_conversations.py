"""Serves conversations: begun, listed, read, and what is said in them."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    PageCursor,
    Response,
    also,
    caller,
    conditional,
    etag_of,
    keyed_request,
    make_app,
    needs,
    replay_headers,
    respond,
)
from longhaul.http.cursors import cursor_after, key_of
from longhaul.observability import observed
from videos import conversations
from videos.conversation_wire import (
    EXAMPLE_ID,
    ConversationPage,
    ConversationView,
    ExchangeView,
    MessagePage,
    MessageView,
    NewConversation,
    NewMessage,
    in_list,
)

settings.require(
    settings.Database, settings.Cache, settings.Cursors, settings.Limits, settings.Models, settings.Breaker
)

app = make_app()
READ: dict[str, Any] = {
    "security": needs("tasks:read"),
    "tags": ["conversations"],
    "openapi_extensions": also(304),
}
WRITE: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["conversations"]}

ConversationId = Annotated[
    str, Path(pattern=r"^conv_[0-9a-f]{32}$", description="A conversation's id.", examples=[EXAMPLE_ID])
]

# An answer has 6 MB at most, in which a character may take seven bytes.
ConversationsAtOnce = Annotated[int, Query(ge=1, le=100, description="Items a page, 1 to 100.")]
MessagesAtOnce = Annotated[int, Query(ge=1, le=20, description="Items a page, 1 to 20.")]


@app.post("/api/v1/conversations", **WRITE, summary="Begin a conversation", status_code=201)
def begin_conversation(
    given: Annotated[NewConversation, Body()], idempotency_key: IdempotencyKey = None
) -> Response[ConversationView]:
    request = keyed_request(app, idempotency_key, given)
    begun = conversations.begin(caller(app).user_id, given.title, request)
    headers = {"Location": f"/api/v1/conversations/{begun.conversation_id}", **replay_headers(request.replayed)}
    return respond(ConversationView.of(begun), 201, headers)


@app.get("/api/v1/conversations", **READ, summary="List conversations, the newest first")
def list_conversations(cursor: PageCursor = None, limit: ConversationsAtOnce = 20) -> Response[ConversationPage]:
    of = ["conversations", caller(app).tenant_id]
    before = key_of(of, cursor) if cursor else None
    found, following = conversations.list_conversations(caller(app).tenant_id, before=before, limit=limit)
    page = ConversationPage(items=[*map(in_list, found)], next_cursor=cursor_after(of, following))
    return conditional(app, lambda: page, etag=etag_of(page))


@app.get("/api/v1/conversations/<conversation_id>", **READ, summary="Read a conversation")
def get_conversation(conversation_id: ConversationId) -> Response[ConversationView]:
    view = ConversationView.of(conversations.read(conversation_id, caller(app).tenant_id))
    return conditional(app, lambda: view, etag=etag_of(view))


@app.get("/api/v1/conversations/<conversation_id>/messages", **READ, summary="List messages, the oldest first")
def list_messages(
    conversation_id: ConversationId, cursor: PageCursor = None, limit: MessagesAtOnce = 20
) -> Response[MessagePage]:
    of = ["messages", caller(app).tenant_id, conversation_id]
    after = key_of(of, cursor) if cursor else 0
    found, following = conversations.list_messages(conversation_id, caller(app).tenant_id, after=after, limit=limit)
    page = MessagePage(items=[*map(MessageView.of, found)], next_cursor=cursor_after(of, following))
    return conditional(app, lambda: page, etag=etag_of(page))


@app.post(
    "/api/v1/conversations/<conversation_id>/messages",
    **WRITE,
    summary="Say something, and read what the agent replies",
    status_code=201,
)
def post_message(
    conversation_id: ConversationId, given: Annotated[NewMessage, Body()], idempotency_key: IdempotencyKey = None
) -> Response[ExchangeView]:
    request = keyed_request(app, idempotency_key, given)
    exchange = conversations.say(conversation_id, given.content, request)
    return respond(ExchangeView.of(exchange), 201, replay_headers(request.replayed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
