"""EventBridge: schedules, and rules that route events to functions."""

import asyncio
import dataclasses
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from local.runtime.runtime import Runtime
from local.template.model import ACCOUNT, REGION, Blueprint, EventRule, Schedule

UNITS = {"minute": 1, "hour": 60, "day": 24 * 60}
FIRST_AFTER = 1.0  # seconds: what a restart left undone should not wait a minute


def minutes(expression: str) -> int:
    """Return the period of a rate expression in minutes; raises ValueError for another kind."""
    amount, _, unit = expression.removeprefix("rate(").removesuffix(")").partition(" ")
    if not expression.startswith("rate(") or unit.removesuffix("s") not in UNITS:
        raise ValueError(f"only rate(...) schedules run here, not {expression}")
    return int(amount) * UNITS[unit.removesuffix("s")]


async def fire(schedule: Schedule, runtime: Runtime, minute: float) -> None:
    """Invoke a schedule's function until cancelled. `minute`: the seconds that one of its minutes lasts here."""
    period = minutes(schedule.expression) * minute
    due = time.monotonic() + min(FIRST_AFTER, period)
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += period
        runtime.invoke_later(schedule.function, (schedule.input or json.dumps(tick(schedule))).encode())


def tick(schedule: Schedule) -> dict[str, Any]:
    """Return the event that a schedule sends when it names no input of its own."""
    kind = "rule" if schedule.source == "aws.events" else "schedule/default"
    service = schedule.source.removeprefix("aws.")
    return envelope(
        {
            "source": schedule.source,
            "detail-type": "Scheduled Event",
            "resources": [f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}/{schedule.name}"],
            "detail": {} if service == "events" else "{}",
        }
    )


def envelope(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event with the fields that EventBridge adds."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": REGION,
        **event,
    }


def resolved(blueprint: Blueprint, physical: Mapping[str, str]) -> Blueprint:
    """Return the blueprint with the physical ids of the resources that its rules' patterns refer to."""

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.keys() == {"Ref"}:
            return physical.get(node["Ref"], node["Ref"])
        return {key: resolve(value) for key, value in node.items()}

    rules = tuple(dataclasses.replace(rule, pattern=resolve(rule.pattern)) for rule in blueprint.rules)
    return dataclasses.replace(blueprint, rules=rules)


def route(event: Mapping[str, Any], rules: Sequence[EventRule], runtime: Runtime) -> None:
    """Send an event to the function of every rule whose pattern matches."""
    complete = envelope(event)
    payload = json.dumps(complete, ensure_ascii=False).encode()
    for rule in rules:
        if matches(rule.pattern, complete):
            runtime.invoke_later(rule.function, payload)


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event matches a pattern: in each of the pattern's fields, any of the values."""
    for name, wanted in pattern.items():
        value = event.get(name)
        if isinstance(wanted, Mapping):
            if not isinstance(value, Mapping) or not matches(wanted, value):
                return False
        else:
            values = value if isinstance(value, list) else [value]
            if not any(_matches_value(one, item, name in event) for one in wanted for item in values):
                return False
    return True


def _matches_value(wanted: Any, value: Any, present: bool) -> bool:
    if not isinstance(wanted, Mapping):
        return present and wanted == value
    [(operator, operand)] = wanted.items()
    if operator == "exists":
        return present is operand
    if operator == "anything-but":
        return present and value not in (operand if isinstance(operand, list) else [operand])
    text = str(value)
    if operator in ("prefix", "suffix") and present:
        return text.startswith(operand) if operator == "prefix" else text.endswith(operand)
    return False
