"""A workload is wired wherever it must be: its kinds, its workflows, their end, and what its functions are given."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from tests.architecture.deployment import allows, listed
from tests.architecture.repository import Module, Repository, referred

MACHINE = "AWS::Serverless::StateMachine"
_NAMED = re.compile(r":(?:stateMachine|execution):\$\{AWS::StackName\}-(\w+)")
# A variable that names one of these is of no use without a permission on it.
_GRANTED = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket")


def kinds(repository: Repository) -> list[str]:
    """Every function that knows kinds knows all of them: a task of any kind may come to it."""
    declared = {module.name for module in _kind_modules(repository)}
    return [
        f"{name}: add {missing} to its KIND_MODULES"
        for name, variables in _environments(repository)
        if "KIND_MODULES" in variables
        for missing in sorted(declared - set(_named_kinds(repository, variables["KIND_MODULES"])))
    ]


def workflows(repository: Repository) -> list[str]:
    """Every function that starts executions knows the workflow of every kind, and may start it."""
    found = []
    functions = repository.function_resources()
    machines = repository.resources(MACHINE)
    for name, variables in _environments(repository):
        if "WORKFLOW_ARNS" not in variables:
            continue
        for workflow in _workflows(repository):
            if f"${{{workflow}}}" not in str(variables["WORKFLOW_ARNS"]):
                found.append(f"{name}: add {workflow} to its WORKFLOW_ARNS")
            if workflow not in machines:
                if not allows(functions[name], "sqs:SendMessage", workflow):
                    found.append(f"{name}: allow sqs:SendMessage on {workflow}")
                continue
            found += [
                f"{name}: allow {action} on {workflow}"
                for action in ("states:StartExecution", "states:DescribeExecution")
                if workflow not in _machines(functions[name], action)
            ]
    return found


def stops(repository: Repository) -> list[str]:
    """A function of the task core that may stop executions may stop those of every kind's state machine."""
    needed = {workflow for workflow in _workflows(repository) if workflow in repository.resources(MACHINE)}
    return [
        f"{name}: allow states:StopExecution on the executions of {missing}"
        for name, properties in repository.function_resources().items()
        if properties["Handler"].startswith("tasks.") and (stopped := _machines(properties, "states:StopExecution"))
        for missing in sorted(needed - stopped)
    ]


def ends(repository: Repository) -> list[str]:
    """Whatever hears of executions that died hears of those of every kind's state machine."""
    needed = {workflow for workflow in _workflows(repository) if workflow in repository.resources(MACHINE)}
    return [
        f"{name}: add {missing} to the machines of its rule {event}"
        for name, properties in repository.function_resources().items()
        for event, source in properties.get("Events", {}).items()
        if (heard := source["Properties"].get("Pattern", {}).get("detail", {}).get("stateMachineArn"))
        for missing in sorted(needed - set(_NAMED.findall(str(heard))))
    ]


def granted(repository: Repository) -> list[str]:
    """A function that is given a table, a queue or a bucket may do something with it."""
    useful = {name for kind in _GRANTED for name in repository.resources(kind)}
    functions = repository.function_resources()
    return [
        f"{name} is given {variable} and may do nothing with {resource}: add a statement to its policy"
        for name, variables in _environments(repository)
        for variable, value in variables.items()
        if (resource := referred(value)) in useful and resource not in _resources(functions[name])
    ]


def _kind_modules(repository: Repository) -> list[Module]:
    return [module for module in repository.modules if module.domain and module.stem == "kinds"]


def _named_kinds(repository: Repository, value: Any) -> list[str]:
    """The modules in a KIND_MODULES, where `${Chosen}` are the workloads, `.kinds,` between them."""
    text = value["Fn::Sub"][0] if isinstance(value, dict) else str(value)
    workloads = repository.template.get("Parameters", {}).get("Workloads", {}).get("AllowedValues", [])
    return str(text.replace("${Chosen}", ".kinds,".join(workloads))).split(",")


def _workflows(repository: Repository) -> list[str]:
    """The logical ids that kinds name as their `workflow`."""
    names = set()
    for module in _kind_modules(repository):
        constants = {
            target.id: node.value
            for node in module.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "workflow":
                value = constants.get(node.value.id) if isinstance(node.value, ast.Name) else node.value
                if isinstance(value, ast.Constant):
                    names.add(str(value.value))
    return sorted(names)


def _environments(repository: Repository) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in repository.function_resources().items():
        yield name, properties.get("Environment", {}).get("Variables", {})


def _statements(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in properties.get("Policies", []):
        yield from policy["Statement"]


def _resources(properties: dict[str, Any]) -> set[str]:
    """The logical ids that the function's statements name; also within a !Sub (a bucket's objects)."""
    named = [resource for statement in _statements(properties) for resource in listed(statement["Resource"])]
    texts = " ".join(str(resource.get("Fn::Sub", "")) for resource in named if isinstance(resource, dict))
    return {*map(referred, named), *re.findall(r"\$\{(\w+)", texts)}


def _machines(properties: dict[str, Any], action: str) -> set[str]:
    """The state machines on which, or on whose executions, the action is allowed."""
    return {
        machine
        for statement in _statements(properties)
        if action in listed(statement["Action"])
        for machine in _NAMED.findall(str(statement["Resource"]))
    }
