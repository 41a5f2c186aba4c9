"""The HTTP API of dead letters, for operators: what has failed three times, why, and to try it again."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from alerts import dead_letter_wire as wire
from alerts import dead_letters
from alerts.dead_letter_wire import MAX_SHOWN, DeadLetterQueues, DeadLetters, RedrivenDocument, RedriveRequest
from longhaul import settings
from longhaul.http import IdempotencyKey, Response, keyed_request, make_app, needs, replay_headers, respond
from longhaul.observability import observed

settings.require(settings.Database, settings.Cache, settings.Limits, settings.DeadLetters)

app = make_app()
OPS: dict[str, Any] = {"security": needs("ops"), "tags": ["operations"]}

QueueName = Annotated[
    str, Path(pattern=r"^[A-Za-z]{1,64}$", description="A queue's name, as the list has it.", examples=["Progress"])
]
Shown = Annotated[int, Query(ge=1, le=MAX_SHOWN, description="How many at most, 1 to 50.", examples=[10])]


@app.get("/api/v1/dead-letters", **OPS, summary="List the queues with their dead letters")
def list_dead_letters() -> Response[DeadLetterQueues]:
    return respond(DeadLetterQueues(items=[wire.queue_document(state) for state in dead_letters.list_queues()]))


@app.get("/api/v1/dead-letters/<queue>", **OPS, summary="Look at a queue's dead letters")
def read_dead_letters(queue: QueueName, limit: Shown = 10) -> Response[DeadLetters]:
    return respond(DeadLetters(items=[wire.letter_document(letter) for letter in dead_letters.look(queue, limit)]))


@app.post(
    "/api/v1/dead-letters/<queue>/redrive",
    **OPS,
    summary="Put dead letters back into their queue",
)
def redrive_dead_letters(
    queue: QueueName, given: Annotated[RedriveRequest, Body()], idempotency_key: IdempotencyKey = None
) -> Response[RedrivenDocument]:
    """What a message was about is in rows: one of a task that has ended, or that comes twice, changes nothing."""
    request = keyed_request(app, idempotency_key, given)
    redriven = dead_letters.redrive(queue, given.limit, request=request)
    answer = RedrivenDocument(moved=redriven.moved, left=redriven.left)
    return respond(answer, headers=replay_headers(request.replayed))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
