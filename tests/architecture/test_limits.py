import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.limits import PACKAGE_BYTES, environments, packages
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]

TEMPLATE = """
Parameters:
  Models: {Type: String, Default: "[]", MaxLength: 3000}
  Names: {Type: CommaDelimitedList, Default: "one,two"}
Globals: {Function: {Layers: [!Ref VendorLayer], Environment: {Variables: {LEVEL: INFO}}}}
Resources:
  QueryPage:
    Type: AWS::Serverless::Function
    Properties:
      Handler: a.b
      Environment: {Variables: {MODELS: !Ref Models, NAMES: !Join [", ", !Ref Names], OTHER: %s}}
"""


def with_other(value: str) -> dict[str, str]:
    return {"template.yaml": TEMPLATE % value}


def test_every_functions_variables_fit(repository: Repository) -> None:
    assert environments(repository) == []


@pytest.mark.parametrize("value", ["x", "x" * 600, "!Sub ['${One}-${Models}', {One: !GetAtt Queue.Arn}]"])
def test_variables_may_have_4_kb_with_what_they_refer_to(value: str, example: Example) -> None:
    findings = environments(example(with_other(value)))
    assert bool(findings) is ("Models" in value)
    if findings:
        assert findings[0].startswith("QueryPage: its variables may have 6")
        assert findings[0].endswith("Lambda takes 4096: ['OTHER', 'MODELS', 'NAMES']")


@pytest.mark.skipif("BUILT" not in os.environ, reason="make build has what is deployed")
def test_every_function_fits_with_its_layers(repository: Repository) -> None:
    assert packages(repository, Path(os.environ["BUILT"])) == []


@pytest.mark.parametrize("more", [0, 1])
def test_code_and_layers_may_have_250_mb_together(more: int, example: Example) -> None:
    repository = example(with_other("x"))
    for part, size in (("QueryPage/app/code.py", 1_000), ("VendorLayer/python/large.so", PACKAGE_BYTES - 1_000 + more)):
        (path := repository.root / "built" / part).parent.mkdir(parents=True)
        path.touch()
        os.truncate(path, size)
    findings = packages(repository, repository.root / "built")
    assert len(findings) == more
    if findings:
        assert findings[0].startswith("QueryPage: Function code combined with layers exceeds")
        assert findings[0].endswith("262144001 bytes: QueryPage 1,000, VendorLayer 262,143,001")
