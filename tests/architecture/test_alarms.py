"""Each alarm watches a metric that something emits, under the dimensions under which it is emitted, and a person reads
in docs/operations.md what to do about it. An alarm of a misspelt metric is never anything but quiet.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.architecture.repository import Repository, referred

ALARM, COMPOSITE, DASHBOARD = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::Dashboard"
OURS = "Longhaul"  # POWERTOOLS_METRICS_NAMESPACE
MAX_WIDGETS, MAX_METRICS = 12, 10

# What AWS emits, as far as it is watched: by namespace and name the sets of dimensions.
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
_FUNCTION: list[frozenset[str]] = [frozenset(), frozenset({"FunctionName"})]
EMITTED_BY_AWS: dict[tuple[str, str], list[frozenset[str]]] = {
    **{("AWS/Lambda", name): _FUNCTION for name in ("Errors", "Throttles", "Invocations", "ConcurrentExecutions")},
    **{("AWS/ApiGateway", name): [frozenset({"ApiId"})] for name in ("Count", "4xx", "5xx", "Latency")},
    **{("AWS/States", name): [frozenset({"StateMachineArn"})] for name in ("ExecutionsFailed", "ExecutionsTimedOut")},
    **{
        ("AWS/SQS", name): [frozenset({"QueueName"})]
        for name in ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible")
    },
    **{("AWS/DynamoDB", name): [frozenset({"TableName"})] for name in ("ReadThrottleEvents", "WriteThrottleEvents")},
}
# What the value of a dimension names.
NAMES = {
    "FunctionName": "AWS::Serverless::Function",
    "ApiId": "AWS::Serverless::HttpApi",
    "StateMachineArn": "AWS::Serverless::StateMachine",
    "QueueName": "AWS::SQS::Queue",
    "TableName": "AWS::DynamoDB::Table",
}

type Metric = tuple[str, str, dict[str, Any]]
type Example = Callable[[dict[str, str]], Repository]


def unheard(repository: Repository) -> list[str]:
    """The alarms whose metric nothing emits."""
    ours = {(OURS, name): kinds for name, kinds in emitted_by_us(repository).items()}
    emitted = EMITTED_BY_AWS | ours
    found = []
    for alarm, (namespace, name, dimensions) in watched(repository):
        kinds = emitted.get((namespace, name), [])
        if frozenset(dimensions) not in kinds:
            found.append(f"{alarm}: nothing emits {namespace} {name} with {sorted(dimensions)}: {kinds}")
        found += [f"{alarm}: {key} names no {NAMES[key]}" for key in _misnamed(repository, dimensions)]
        if dimensions.get("service", "longhaul") != "longhaul":
            found.append(f"{alarm}: the service is longhaul")
    return found


def _misnamed(repository: Repository, dimensions: dict[str, Any]) -> Iterator[str]:
    for key, value in dimensions.items():
        if key in NAMES and referred(value) not in repository.resources(NAMES[key]):
            yield key


def watched(repository: Repository) -> Iterator[tuple[str, Metric]]:
    """Each alarm's metrics."""
    for name, alarm in repository.resources(ALARM).items():
        parts = [alarm] if "MetricName" in alarm else _parts(alarm)
        for part in parts:
            dimensions = {one["Name"]: one["Value"] for one in part.get("Dimensions", [])}
            yield name, (part["Namespace"], part["MetricName"], dimensions)


def _parts(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    return [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]


def emitted_by_us(repository: Repository) -> dict[str, list[frozenset[str]]]:
    """The metrics that the code adds, by name: within `metrics_of(model=...) as x` those of x have that dimension."""
    found: dict[str, list[frozenset[str]]] = {}
    for module in repository.modules:
        apart = {
            item.optional_vars.id: frozenset(word.arg for word in item.context_expr.keywords if word.arg)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.With)
            for item in node.items
            if isinstance(item.context_expr, ast.Call) and ast.unparse(item.context_expr.func) == "metrics_of"
            if isinstance(item.optional_vars, ast.Name)
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_metric":
                of = frozenset({"service"}) | apart.get(ast.unparse(node.func.value), frozenset())
                for name in _names(node):
                    found.setdefault(name, []).append(of)
    return found


def _names(call: ast.Call) -> list[str]:
    given = call.args[:1] + [word.value for word in call.keywords if word.arg == "name"]
    return [value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)]


def untold(repository: Repository) -> list[str]:
    """The alarms of which docs/operations.md does not say what to do."""
    text = (repository.root / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(?:\.\.\.)?(\w+)`", text, re.MULTILINE))
    names = [*repository.resources(ALARM), *repository.resources(COMPOSITE)]
    return [
        f"{name}: say in docs/operations.md what to do"
        for name in names
        if name not in rows and not (name.endswith("DeadLettersAlarm") and "DeadLettersAlarm" in rows)
    ]


def test_every_alarm_watches_what_something_emits(repository: Repository) -> None:
    assert unheard(repository) == []


def test_every_alarm_has_a_row_that_says_what_to_do(repository: Repository) -> None:
    assert untold(repository) == []


def test_the_alarms_that_there_should_be_are_there(repository: Repository) -> None:
    watched_names = {(namespace, name) for _, (namespace, name, _) in watched(repository)}
    assert watched_names >= {
        ("AWS/Lambda", "Errors"), ("AWS/Lambda", "Throttles"), ("AWS/ApiGateway", "5xx"), ("AWS/ApiGateway", "Latency"),
        ("AWS/States", "ExecutionsFailed"), ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/Lambda", "Invocations"), (OURS, "AlertsEvaluated"), ("AWS/DynamoDB", "ReadThrottleEvents"),
        (OURS, "CircuitOpened"), (OURS, "LlmSpent"),
    }  # fmt: skip
    old = [of for _, (_, name, of) in watched(repository) if name == "ApproximateAgeOfOldestMessage"]
    mappings = repository.resources("AWS::Lambda::EventSourceMapping").values()
    assert {referred(of["QueueName"]) for of in old} == {referred(one["EventSourceArn"]) for one in mappings}


def test_silence_is_an_alarm_where_it_should_be(repository: Repository) -> None:
    alarms = repository.resources(ALARM)
    silent = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"}
    assert silent == {"DispatcherSilentAlarm", "AlertsSilentAlarm"}


def test_alarms_and_dashboard_are_within_their_bounds(repository: Repository) -> None:
    for alarm in repository.resources(ALARM).values():
        assert len(alarm.get("Metrics", [])) <= MAX_METRICS + 1  # with the expression
    [dashboard] = repository.resources(DASHBOARD).values()
    widgets = json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]
    assert 0 < len(widgets) <= MAX_WIDGETS
    for widget in widgets:
        for namespace, name, *of in (one for one in widget["properties"].get("metrics", []) if isinstance(one[0], str)):
            kinds = EMITTED_BY_AWS.get((namespace, name)) or emitted_by_us(repository)[name]
            assert frozenset(of[::2]) in kinds
        for named in re.findall(r'MetricName="(\w+)"', json.dumps(widget).replace('\\"', '"')):
            assert named in emitted_by_us(repository)


def test_the_composite_is_of_all_that_need_no_condition(repository: Repository) -> None:
    [composite] = repository.resources(COMPOSITE).values()
    named = set(re.findall(r"ALARM\(\"\$\{(\w+)\}\"\)", json.dumps(composite["AlarmRule"]).replace('\\"', '"')))
    assert named >= {name for name in repository.resources(ALARM) if not name.endswith("DeadLettersAlarm")}


TEMPLATE = """
Resources:
  Work: {Type: AWS::Serverless::Function}
  Watching:
    Type: AWS::CloudWatch::Alarm
    Properties: {Namespace: %s, MetricName: %s, Dimensions: [%s]}
"""
CODE = """
with metrics_of(kind=kind) as of_kind:
    of_kind.add_metric("Ended", 1)
metrics.add_metric(name="Begun", value=1)
"""


def test_an_alarm_that_cannot_fire_is_found(example: Example) -> None:
    def complaints(namespace: str, name: str, dimensions: str) -> int:
        files = {
            "template.yaml": TEMPLATE % (namespace, name, dimensions),
            "functions/toys/begin.py": CODE,
            "docs/operations.md": "| `Watched` | x |\n",
        }
        repository = example(files)
        assert untold(repository) == ["Watching: say in docs/operations.md what to do"]
        return len(unheard(repository))

    service, kind = "{Name: service, Value: longhaul}", "{Name: kind, Value: a}"
    assert complaints("AWS/Lambda", "Errors", "") == 0
    assert complaints("AWS/Lambda", "Errors", "{Name: FunctionName, Value: !Ref Work}") == 0
    assert complaints("AWS/Lambda", "Errors", "{Name: FunctionName, Value: !Ref Other}") == 1
    assert complaints("AWS/Lambda", "Error", "") == 1
    assert complaints("Longhaul", "Begun", service) == 0
    assert complaints("Longhaul", "Begun", "{Name: service, Value: other}") == 1
    assert complaints("Longhaul", "Begun", "") == 1
    assert complaints("Longhaul", "Ended", service) == 1
    assert complaints("Longhaul", "Ended", f"{service}, {kind}") == 0
