"""The only place that makes the logger and the metrics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import aws, imports, lifetime
from longhaul.errors import AwsUnavailable

type Handler = Callable[[dict[str, Any], LambdaContext], Any]

logger = Logger(utc=True, use_rfc3339=True)
metrics = Metrics()

_at_end: list[Callable[[], None]] = []


def at_end(work: Callable[[], None]) -> None:
    """Do this at the end of each invocation, when its answer is made. It must not raise, and be quick."""
    _at_end.append(work)


@contextmanager
def metrics_of(**dimensions: str) -> Iterator[EphemeralMetrics]:
    """Metrics with dimensions of their own beside the service, told at the end of the block."""
    apart = EphemeralMetrics()
    for name, value in dimensions.items():
        apart.add_dimension(name, value)
    yield apart
    apart.flush_metrics()


def observed(handler: Handler) -> Handler:
    """Every function's outermost layer: its context in each log line, its time known, its metrics flushed at the end.

    An error of AWS's client that nobody has translated, and that may be gone soon, becomes AwsUnavailable: its name is
    what the state machines retry.

    Not Powertools' `log_metrics`: that one warns at each call that counted nothing, as most of ours do.
    """

    @logger.inject_lambda_context(clear_state=True)
    @wraps(handler)
    def observe(event: dict[str, Any], context: LambdaContext) -> Any:
        try:
            with lifetime.of(context):
                return handler(event, context)
        except Exception as error:
            if aws.is_away(error):
                raise AwsUnavailable(str(error)) from error
            raise
        finally:
            for work in _at_end:
                work()
            if metrics.metric_set:
                metrics.flush_metrics()

    imports.done()  # a module's handler is its last definition
    wrapped: Handler = observe
    return wrapped
