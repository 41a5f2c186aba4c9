"""The HTTP API of callbacks: what a step waits for from outside. Open: who knows the path's token may complete it."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from engine.wire import CallbackAnswer, CallbackBody
from longhaul import settings
from longhaul.http import Response, make_app, respond
from longhaul.observability import observed
from longhaul.workloads.callbacks import complete

settings.require(settings.Database)

app = make_app()

Token = Annotated[
    str,
    Path(
        min_length=43,
        max_length=43,
        description="A callback's token: it is in the path that the step gave away.",
        examples=["kq3V0pS1m5y7XbJt2cWlNfD8hGzR4uAeOiLxPyQ6vTs"],
    ),
]


@app.post("/api/v1/callbacks/<token>", tags=["callbacks"], summary="Complete what a step waits for")
def complete_callback(token: Token, body: Annotated[CallbackBody, Body()]) -> Response[CallbackAnswer]:
    complete(token, body.model_dump())
    return respond(CallbackAnswer(received=True))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
