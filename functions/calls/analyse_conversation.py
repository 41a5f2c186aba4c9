"""Analyses a conversation, and gives its lead the follow-up."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.conversation_analysis import analyse
from calls.messages import AnalyseMessage
from longhaul import settings
from longhaul.aws.sqs import handle_batch
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
    settings.Llm,
    settings.Breaker,
    settings.AnalyseQueue,
    settings.ProgressQueue,
    settings.Calls,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(
        event,
        AnalyseMessage,
        lambda message: (message.task_id, message.job_seq),
        lambda messages: analyse(messages[0]),
    )
