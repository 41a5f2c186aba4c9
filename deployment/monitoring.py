"""Alarms, a composite of them and a dashboard, made of what the bundle has: none can name what is not there.

What to do about each alarm stands in docs/operations.md, by its logical id (tests/architecture/test_alarms.py).
"""

import json
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any

from deployment.bundle import NO_VALUE, Bundle
from deployment.code import camel
from deployment.declaration import Part

ACTIONS = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], NO_VALUE]}
MAX_METRICS = 10  # of one alarm's expression
AT_LEAST = "GreaterThanOrEqualToThreshold"
TABLE = "AWS::DynamoDB::Table"
MINUTE, FIVE_MINUTES, DAY = 60, 300, 86_400
OURS = {"service": "longhaul"}  # POWERTOOLS_SERVICE_NAME: the dimension of what has no other

type Metric = tuple[str, str, Part]
"""Namespace, name and dimensions."""


def resources(bundle: Bundle) -> dict[str, Part]:
    alarms = {f"{name}Alarm": alarm for name, alarm in _alarms(bundle).items()}
    return alarms | {"HealthAlarm": _composite(alarms), "Dashboard": _dashboard(bundle, alarms)}


def _alarms(bundle: Bundle) -> dict[str, Part]:
    found = {
        "FunctionErrors": _alarm("Functions fail.", ("AWS/Lambda", "Errors", {}), threshold=5),
        "FunctionThrottles": _alarm(
            "Functions are throttled: too many run at once.", ("AWS/Lambda", "Throttles", {}), threshold=10, periods=2
        ),
        "ApiErrors": _alarm("The API answers 5xx.", ("AWS/ApiGateway", "5xx", _api()), threshold=10),
        "ApiLatency": _alarm(
            "The API is slow: 5 of 100 answers take longer than 10 seconds.",
            ("AWS/ApiGateway", "Latency", _api()), statistic="p95", threshold=10_000, periods=3,
        ),
        "DispatcherSilent": _alarm(
            "The dispatcher was not run for 5 minutes: no task starts.",
            ("AWS/Lambda", "Invocations", {"FunctionName": {"Ref": "DispatchTasks"}}),
            threshold=1, below=True, seconds=MINUTE, periods=5,
        ),
        "AlertsSilent": _alarm(
            "Alerts were not evaluated for 3 minutes.",
            ("Longhaul", "AlertsEvaluated", OURS), threshold=1, below=True, seconds=MINUTE, periods=3,
        ),
        "CircuitsOpen": _alarm("A provider is left alone: it has failed.", ("Longhaul", "CircuitOpened", OURS)),
        "ExecutionsFailed": _sum_alarm("Executions of workflows fail.", _executions(bundle), threshold=5),
        "TableThrottles": _sum_alarm("DynamoDB throttles.", _tables(bundle), threshold=10),
        "LlmCost": _alarm(
            "Language models cost more in a day than LlmCostPerDay.",
            ("Longhaul", "LlmSpent", OURS), threshold={"Ref": "LlmCostPerDay"}, seconds=DAY, above=True,
        ) | {"Condition": "HasLlmCostPerDay"},
    }  # fmt: skip
    return found | _old_messages(bundle)


def _old_messages(bundle: Bundle) -> dict[str, Part]:
    """Of the core's queues, as many as an alarm can have, and of each workload's."""
    found = {}
    for domain in ("", *bundle.workloads):
        condition = bundle.condition(domain)
        queues = [queue for queue, owner in bundle.queues.items() if bundle.condition(owner) == condition]
        for number, some in enumerate(batched(queues, MAX_METRICS, strict=False)):
            metrics = [("AWS/SQS", "ApproximateAgeOfOldestMessage", _queue(queue)) for queue in some]
            alarm = _alarm_of("Messages wait for more than half an hour.", "MAX", metrics, "Maximum", threshold=1_800)
            name = f"{camel(domain)}MessagesOld{number + 1 if number else ''}"
            found[name] = alarm | ({"Condition": condition} if condition else {})
    return found


def _executions(bundle: Bundle) -> list[tuple[str, Metric]]:
    """Each with its condition."""
    return [
        (bundle.condition(machine.path.parent.name), ("AWS/States", name, {"StateMachineArn": {"Ref": logical_id}}))
        for logical_id, machine in bundle.machines.items()
        for name in ("ExecutionsFailed", "ExecutionsTimedOut")
    ]


def _tables(bundle: Bundle) -> list[tuple[str, Metric]]:
    return [
        (bundle.condition(domain), ("AWS/DynamoDB", name, {"TableName": {"Ref": table}}))
        for table, (domain, part) in bundle.declared.items()
        if part["Type"] == TABLE
        for name in ("ReadThrottleEvents", "WriteThrottleEvents")
    ]


def _alarm(
    description: str,
    metric: Metric,
    *,
    threshold: Any = 1,
    statistic: str = "Sum",
    seconds: int = FIVE_MINUTES,
    periods: int = 1,
    below: bool = False,
    above: bool = False,
) -> Part:
    """From `threshold` on, or `above` it, or `below` it: then what is missing counts, as silence."""
    namespace, name, dimensions = metric
    kind = "Statistic" if statistic in ("Sum", "Maximum") else "ExtendedStatistic"
    properties: Part = {
        "AlarmDescription": description,
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        kind: statistic,
        "Period": seconds,
    }
    comparison = "LessThanThreshold" if below else "GreaterThanThreshold" if above else AT_LEAST
    return _made({key: value for key, value in properties.items() if value}, threshold, periods, comparison, below)


def _sum_alarm(description: str, metrics: Sequence[tuple[str, Metric]], *, threshold: int) -> Part:
    if len(metrics) > MAX_METRICS:
        raise ValueError(f"{description}: an alarm has at most {MAX_METRICS} metrics")
    return _alarm_of(description, "SUM", [metric for _, metric in metrics], "Sum", threshold, [c for c, _ in metrics])


def _alarm_of(
    description: str,
    function: str,
    metrics: Sequence[Metric],
    statistic: str,
    threshold: int,
    conditions: Sequence[str] = (),
) -> Part:
    """Of several metrics together; those of a workload are left out where it is."""
    parts: list[Any] = [{"Id": "all", "Expression": f"{function}(METRICS())", "Label": description, "ReturnData": True}]
    for number, (namespace, name, dimensions) in enumerate(metrics):
        listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": listed}
        stat = {"Metric": metric, "Period": FIVE_MINUTES, "Stat": statistic}
        part = {"Id": f"m{number}", "MetricStat": stat, "ReturnData": False}
        condition = conditions[number] if conditions else ""
        parts.append({"Fn::If": [condition, part, NO_VALUE]} if condition else part)
    return _made({"AlarmDescription": description, "Metrics": parts}, threshold, 1, AT_LEAST, False)


def _made(properties: Part, threshold: Any, periods: int, comparison: str, silence: bool) -> Part:
    more = {
        "EvaluationPeriods": periods,
        "ComparisonOperator": comparison,
        "Threshold": threshold,
        "TreatMissingData": "breaching" if silence else "notBreaching",
        "AlarmActions": ACTIONS,
        "OKActions": ACTIONS,
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties | more}


def _composite(alarms: dict[str, Part]) -> Part:
    """One state of all: to look at, or to roll a deployment back by. It notifies nobody, as each alarm does."""
    rules = [_given(alarm, {"Fn::Sub": f'ALARM("${{{name}}}")'}) for name, alarm in alarms.items()]
    properties = {
        "AlarmDescription": "Something is wrong: one of the alarms of this stack. They say what.",
        "AlarmRule": {"Fn::Join": [" OR ", rules]},
    }
    return {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": properties}


def _given(resource: Part, value: Any) -> Any:
    return {"Fn::If": [resource["Condition"], value, NO_VALUE]} if "Condition" in resource else value


def _dashboard(bundle: Bundle, alarms: dict[str, Part]) -> Part:
    core = [queue for queue, domain in bundle.queues.items() if not bundle.condition(domain)]
    dead = [f"{queue.removesuffix('Queue')}DeadLetters" for queue in core]
    widgets = [
        _alarm_widget(name for name, alarm in alarms.items() if "Condition" not in alarm),
        _graph("Requests", "Sum", [["AWS/ApiGateway", name, "ApiId", "${Api}"] for name in ("Count", "4xx", "5xx")]),
        _graph("Latency, ms", "p95", [["AWS/ApiGateway", "Latency", "ApiId", "${Api}"]]),
        _graph("Functions", "Sum", [["AWS/Lambda", name] for name in ("Errors", "Throttles")]),
        _graph("Functions at once", "Maximum", [["AWS/Lambda", "ConcurrentExecutions"]]),
        _search("Tasks running", "{Longhaul,kind,service}", "TasksRunning", "Maximum"),
        _search("Tasks waiting", "{Longhaul,kind,service}", "TasksWaiting", "Maximum"),
        _search("Tasks failed", "{Longhaul,kind,service}", "TasksFailed", "Sum"),
        _graph("Oldest message, s", "Maximum", _of_queues("ApproximateAgeOfOldestMessage", core)),
        _graph("Dead letters", "Maximum", _of_queues("ApproximateNumberOfMessagesVisible", dead)),
        _search("Language models: cost", "{Longhaul,model,service}", "LlmCost", "Sum"),
        _graph("Refused requests", "Sum", [_ours(name) for name in ("QuotaExceeded", "WaitsRefused")]),
    ]
    placed = [widget | {"x": number % 3 * 8, "y": number // 3 * 6} for number, widget in enumerate(widgets)]
    body = json.dumps({"widgets": placed}, separators=(",", ":"))
    properties = {"DashboardName": {"Fn::Sub": "${AWS::StackName}"}, "DashboardBody": {"Fn::Sub": body}}
    return {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}


def _alarm_widget(names: Iterable[str]) -> Part:
    properties = {"title": "Alarms", "alarms": [f"${{{name}.Arn}}" for name in names]}
    return {"type": "alarm", "width": 8, "height": 6, "properties": properties}


def _graph(title: str, statistic: str, metrics: Sequence[Sequence[str]]) -> Part:
    properties = {
        "title": title, "region": "${AWS::Region}", "stat": statistic, "period": FIVE_MINUTES, "metrics": metrics,
    }  # fmt: skip
    return {"type": "metric", "width": 8, "height": 6, "properties": properties}


def _search(title: str, schema: str, name: str, statistic: str) -> Part:
    """Of each kind, or model, that there is."""
    found = f"SEARCH('{schema} MetricName=\"{name}\"', '{statistic}', {FIVE_MINUTES})"
    graph = _graph(title, statistic, [])
    graph["properties"]["metrics"] = [[{"expression": found}]]
    return graph


def _of_queues(name: str, queues: Sequence[str]) -> list[list[str]]:
    return [["AWS/SQS", name, "QueueName", f"${{{queue}.QueueName}}"] for queue in queues]


def _ours(name: str) -> list[str]:
    return ["Longhaul", name, *(text for pair in OURS.items() for text in pair)]


def _api() -> Part:
    return {"ApiId": {"Ref": "Api"}}


def _queue(queue: str) -> Part:
    return {"QueueName": {"Fn::GetAtt": [queue, "QueueName"]}}
