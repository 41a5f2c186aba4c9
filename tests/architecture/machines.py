"""State machines: every Task has its limit, retries and a way out, and names errors as the code names them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from longhaul import errors
from longhaul.aws import circuit
from tests.architecture.repository import Repository, referred

# Errors that Lambda and its client give a Task, beside those of our own: none is the function's mistake, each may be
# gone in a minute. An inactive function's first call in a VPC is ResourceNotReady; while a function is updated its
# calls may be ResourceConflict or CodeArtifactUserPending.
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
# https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
SERVICE = frozenset(
    {
        "Lambda.AWSLambdaException",
        "Lambda.CodeArtifactUserPendingException",
        "Lambda.EC2ThrottledException",
        "Lambda.EC2UnexpectedException",
        "Lambda.ENILimitReachedException",
        "Lambda.ResourceConflictException",
        "Lambda.ResourceNotReadyException",
        "Lambda.SdkClientException",
        "Lambda.ServiceException",
        "Lambda.SubnetIPAddressLimitReachedException",
        "Lambda.TooManyRequestsException",
        "Lambda.Unknown",
        "Runtime.ExitError",
        "Runtime.OutOfMemory",
        "Sandbox.Timedout",
        "States.Timeout",
    }
)
# Not raised below a state machine, or retried by a rule of its own (`models.going_on`).
NOT_RETRIED = frozenset({"TransientError", "OutOfTime", "MigrationUnderWay", "StepTimeout"})
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class State(NamedTuple):
    place: str
    body: dict[str, Any]

    @property
    def errors(self) -> Iterator[str]:
        for rule in [*self.body.get("Retry", []), *self.body.get("Catch", [])]:
            yield from rule["ErrorEquals"]


def states(repository: Repository) -> Iterator[State]:
    """Every state of every machine, those inside Map and Parallel too."""
    for path in repository.files(Path("functions"), "*.asl.yaml"):
        yield from _states(str(path), yaml.safe_load((repository.root / path).read_text(encoding="utf-8")))


def _states(place: str, machine: dict[str, Any]) -> Iterator[State]:
    for name, body in machine["States"].items():
        yield State(f"{place}: {name}", body)
        inner = [body[key] for key in ("ItemProcessor", "Iterator") if key in body]
        for part in [*inner, *body.get("Branches", [])]:
            yield from _states(place, part)


def tasks(repository: Repository) -> list[str]:
    """A Task without a limit can hang for a year; one without Retry or Catch kills its workflow."""
    return [
        f"{state.place} has no {what}"
        for state in states(repository)
        if state.body["Type"] == "Task"
        for what in ("TimeoutSeconds", "Retry", "Catch")
        if not state.body.get(what) and not (what == "TimeoutSeconds" and state.body.get("TimeoutSecondsPath"))
    ]


def error_names(repository: Repository) -> list[str]:
    """What is caught or retried can happen: a misspelt name would never match."""
    known = {kind.__name__ for kind in _tree(errors.LonghaulError)} | SERVICE
    return [
        f"{state.place} names {name}, which nothing raises"
        for state in states(repository)
        for name in state.errors
        if name not in known and not name.startswith("States.")
    ]


def retries(repository: Repository) -> list[str]:
    """A Task retries every transient error, also Lambda's, and no permanent one.

    One that waits for a task token and is timed out has waited: what it says next of that is its Catch's.
    """
    transient = {kind.__name__ for kind in _tree(errors.TransientError)} - NOT_RETRIED | SERVICE
    permanent = {kind.__name__ for kind in _tree(errors.PermanentError)} | {"States.ALL", "States.TaskFailed"}
    found = []
    for state in states(repository):
        if state.body["Type"] == "Task":
            retried = {name for rule in state.body.get("Retry", []) for name in rule["ErrorEquals"]}
            waits = {"States.Timeout"} if state.body.get("Resource", "").endswith(".waitForTaskToken") else set()
            found += [f"{state.place} does not retry {name}" for name in sorted(transient - retried - waits)]
            found += [f"{state.place} retries {name}" for name in sorted(permanent & retried)]
    return found


def patience(repository: Repository) -> list[str]:
    """A Task's retries wait, on average, as long as a provider's circuit that opens twice."""
    needed = 2 * (circuit.OPEN_SECONDS + circuit.READ_SECONDS)
    return [
        f"{state.place} gives up after {waited:g} s, a circuit closes after {needed} s"
        for state in states(repository)
        for rule in state.body.get("Retry", [])
        if (waited := _wait(rule)) < needed
    ]


def _wait(rule: dict[str, Any]) -> float:
    """The seconds a retrier waits in all, on average; what is left out is Step Functions' default."""
    first, rate, longest = rule.get("IntervalSeconds", 1), rule.get("BackoffRate", 2), rule.get("MaxDelaySeconds", 1e9)
    waits = [min(longest, first * rate**attempt) for attempt in range(rule.get("MaxAttempts", 3))]
    return sum(waits) / (2 if rule.get("JitterStrategy") == "FULL" else 1)


def _tree(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(_tree(child) for child in kind.__subclasses__()))


def substitutions(repository: Repository) -> list[str]:
    """The template fills every ${Name} of its definition, and nothing that is not there."""
    found = []
    for name, properties in repository.resources("AWS::Serverless::StateMachine").items():
        text = (repository.root / properties["DefinitionUri"]).read_text(encoding="utf-8")
        wanted, given = set(PLACEHOLDER.findall(text)), set(properties.get("DefinitionSubstitutions", {}))
        found += [f"{name} is not given {placeholder}" for placeholder in sorted(wanted - given)]
        found += [f"{name} is given {placeholder} for nothing" for placeholder in sorted(given - wanted)]
    return found


def limits(repository: Repository) -> list[str]:
    """A Task waits longer than its function may run: else a second run begins beside the first."""
    functions = {
        placeholder: repository.function_setting(referred(target), "Timeout", 3)
        for properties in repository.resources("AWS::Serverless::StateMachine").values()
        for placeholder, target in properties.get("DefinitionSubstitutions", {}).items()
    }
    return [
        f"{state.place} gives up after {state.body['TimeoutSeconds']} s, its function after {functions[placeholder]} s"
        for state in states(repository)
        for placeholder in PLACEHOLDER.findall(str(state.body.get("Parameters", state.body.get("Arguments", ""))))
        if state.body.get("TimeoutSeconds") and placeholder in functions
        if state.body["TimeoutSeconds"] <= functions[placeholder]
    ]
