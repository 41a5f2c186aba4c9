from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.handlers import problems
from tests.architecture.repository import ROOT, Repository

Example = Callable[[dict[str, str]], Repository]

TEMPLATE = """
Globals: {Function: {Environment: {Variables: {PYDANTIC_DISABLE_PLUGINS: __all__}}}}
Resources:
  QueryPage: {Type: AWS::Serverless::Function, Properties: {Handler: calls.query_page.handler}}
"""
MODULE = "def handler(event, context):\n    return {}\n"

BAD = [
    ("import no_such_module\n", "No module named 'no_such_module'"),
    ("import boto3\n", "imports boto3 (calls.query_page -> boto3)"),
    ("import concurrent.futures, asyncio.events\n", "imports asyncio (calls.query_page -> asyncio)"),
    ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "connects to something"),
    ("from longhaul import settings\nsettings.require(settings.Live)\n", "LIVE_TABLE: Field required"),
    ("def main(): ...\ndel handler\n", "calls.query_page has no handler"),
    ("import os\nos._exit(3)\n", "it died"),
]


@pytest.fixture(scope="module")
def found(repository: Repository, imported: Path | None) -> dict[str, str]:
    return problems(repository, imported)


@pytest.mark.parametrize("logical_id", sorted(Repository(ROOT).function_resources()))
def test_the_handler_imports(logical_id: str, found: dict[str, str]) -> None:
    assert found[logical_id] == ""


def test_a_good_example_passes(example: Example) -> None:
    files = {"template.yaml": TEMPLATE, "functions/calls/query_page.py": MODULE}
    assert problems(example(files)) == {"QueryPage": ""}


@pytest.mark.parametrize(("more", "finding"), BAD)
def test_a_bad_example_is_caught(more: str, finding: str, example: Example) -> None:
    repository = example({"template.yaml": TEMPLATE, "functions/calls/query_page.py": MODULE + more})
    kernel = repository.root / "layers/longhaul/python"
    kernel.parent.mkdir(parents=True)
    kernel.symlink_to(ROOT / "layers/longhaul/python")
    assert finding in problems(repository)["QueryPage"]
