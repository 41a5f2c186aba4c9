"""Has a conversation judged, and gives its lead the follow-up."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from calls.messages import AnalyseMessage
from calls.verdicts import judge
from longhaul import settings
from longhaul.batches import handle_batch
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.DispatchQueue,
    settings.Live,
    settings.Llm,
    settings.AnalyseQueue,
    settings.ProgressQueue,
    settings.Calls,
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_batch(event, AnalyseMessage, lambda hint: (hint.task_id, hint.job_seq), lambda hints: judge(hints[0]))
