"""Once a minute: holds what there is against the rules' thresholds, and notifies of the alerts that come of it."""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from alerts import dead_letters
from alerts.evaluation import evaluate
from alerts.gauges import gauge
from alerts.notifying import notify
from longhaul import settings
from longhaul.observability import metrics, observed

settings.require(settings.Database, settings.Kinds, settings.Channels, settings.Alerts, settings.DeadLetters)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    evaluated = evaluate(dead_letters.count_all())
    notified = notify()
    gauge()
    metrics.add_metric(name="AlertsEvaluated", unit=MetricUnit.Count, value=1)  # its absence is an alarm
    return {"found": evaluated.found, "changes": dict(evaluated.changes), "notified": notified}
