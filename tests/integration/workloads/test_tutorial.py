"""docs/your-first-workload.md: every block of Python in it that needs no running stack, and every file it tells of."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workloads
from local import scaffold
from local.options import ROOT
from tests import tutorial
from tests.tutorial import NAME, PAGE, blocks

MAX_LINES = 300
TABLE = "CREATE TABLE IF NOT EXISTS posters (task_id VARBINARY(384) PRIMARY KEY, job VARCHAR(200) NOT NULL)"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the page's first steps were done."""
    scaffold.write(NAME, tmp_path)
    package = tmp_path / "functions" / "workloads"
    (package / f"{NAME}.py").write_text(tutorial.workload(), encoding="utf-8")
    (package / "queries.sql").write_text(blocks("sql")[0].text, encoding="utf-8")
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, str(package)])
    monkeypatch.delitem(sys.modules, f"workloads.{NAME}", raising=False)
    return tmp_path


def test_every_block_runs(checkout: Path, sql: Callable[..., list[dict[str, Any]]]) -> None:
    # GIVEN the table that the page asks for
    sql(TABLE)
    scope: dict[str, Any] = {"__file__": str(checkout / "functions" / "workloads" / "posters.py"), "__name__": "page"}
    ran = set[str]()

    # WHEN its blocks run one after the other, and the tests in them
    for block in blocks("python")[1:]:
        if block.runs_on_stack:
            continue
        exec(compile(block.text, str(PAGE), "exec"), scope)
        for name in [name for name in scope if name.startswith("test_") and name not in ran]:
            scope[name]()
            ran.add(name)

    # THEN the tests of its file ran, and what a step saved is there
    assert len(ran) == 2
    assert sql("SELECT job FROM posters") == [{"job": "poster of tides"}]
    sql("DROP TABLE posters")


def test_its_files_have_the_style_and_the_types_of_the_repository(checkout: Path) -> None:
    test = checkout / "tests" / "integration" / "workloads" / f"test_{NAME}.py"
    test.write_text(blocks("python")[1].text, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", checkout)
    (checkout / "layers").symlink_to(ROOT / "layers")
    module = checkout / "functions" / "workloads" / f"{NAME}.py"
    for command in (["ruff", "format", "--check"], ["ruff", "check"]):
        ran = subprocess.run(
            [sys.executable, "-m", *command, module, test], cwd=checkout, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = subprocess.run([sys.executable, "-m", "mypy", "--strict", module], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_the_page_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_LINES
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= targets
    named = set(re.findall(r"\b(?:functions|tests|events|docs)/[\w./]*\w", text))
    own = {path for path in named if NAME in path} | {"functions/workloads/queries.sql"}
    assert [path for path in named - own if not (ROOT / path).exists()] == []


def test_every_block_is_run_by_a_test() -> None:
    languages = {block.language for block in blocks()}
    assert languages == {"python", "sh", "sql"}
    apart = [block.text for block in blocks("sh") if not block.runs_on_stack]
    assert apart == [
        f"make workload NAME={NAME}\n",
        f".venv/bin/python -m pytest tests/integration/workloads/test_{NAME}.py\n",
        'make client\nexport PATH="$PWD/.client/bin:$PATH" LONGHAUL_URL=http://127.0.0.1:3000 '
        "LONGHAUL_TOKEN=$(cat .local/token)\n",
    ], "run this one too"
