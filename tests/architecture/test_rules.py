"""Every rule of this folder: this repository keeps it, and so does the good example of its module.

The bad examples stand in the modules themselves.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import (
    test_deployment,
    test_imports,
    test_layout,
    test_machines,
    test_models,
    test_sql,
    test_wiring,
)
from tests.architecture.repository import Repository

type Rule = Callable[[Repository], list[str]]
type Files = dict[str, str]

MODULES = (test_deployment, test_imports, test_layout, test_machines, test_models, test_sql, test_wiring)
RULES = [
    pytest.param(rule, module.GOOD, id=f"{module.__name__.rsplit('_', 1)[-1]}.{rule.__name__}")
    for module in MODULES
    for rule in module.RULES
]


@pytest.mark.parametrize(("rule", "good"), RULES)
def test_the_repository_keeps_the_rule(rule: Rule, good: Files, repository: Repository) -> None:
    findings = rule(repository)
    assert not findings, "\n".join(["", *findings])


@pytest.mark.parametrize(("rule", "good"), RULES)
def test_a_good_example_passes(rule: Rule, good: Files, example: Callable[[Files], Repository]) -> None:
    assert rule(example(good)) == []


def test_no_module_with_rules_is_left_out() -> None:
    named = {module.__name__.rsplit(".", 1)[-1] for module in MODULES}
    paths = Path(__file__).parent.glob("test_*.py")
    assert named == {path.stem for path in paths if "BAD = [" in path.read_text("utf-8")} - {
        "test_handlers",
        "test_rules",
    }
