"""The only place that makes the logger and the metrics."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

type Handler = Callable[[dict[str, Any], LambdaContext], Any]

logger = Logger(utc=True, use_rfc3339=True)
metrics = Metrics()


def observed(handler: Handler) -> Handler:
    """Every function's outermost layer: its context in each log line, its metrics flushed at the end.

    Not Powertools' `log_metrics`: that one warns at each call that counted nothing, as most of ours do.
    """

    @logger.inject_lambda_context(clear_state=True)
    @wraps(handler)
    def observe(event: dict[str, Any], context: LambdaContext) -> Any:
        try:
            return handler(event, context)
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    wrapped: Handler = observe
    return wrapped
