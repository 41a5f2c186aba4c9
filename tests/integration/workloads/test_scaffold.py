"""`make workload`: what it writes is formatted, typed, tested and accepted by the API as it is; what it refuses."""

import importlib.util
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workloads
from local import scaffold
from local.__main__ import main
from local.options import ROOT, StackError

NAME = "grade_essays_2"


@pytest.fixture
def written(tmp_path: Path) -> list[Path]:
    """The files of a new workload, in a folder of their own."""
    return [tmp_path / path for path in scaffold.write(NAME, tmp_path)]


def test_its_test_passes_and_its_sample_fits(written: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN the new module in the package of workloads
    module, test, event = written
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, str(module.parent)])
    monkeypatch.delitem(sys.modules, f"workloads.{NAME}", raising=False)

    # THEN each of its tests passes
    spec = importlib.util.spec_from_file_location("written_test", test)
    assert spec is not None
    assert spec.loader is not None
    imported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(imported)
    tests = [value for name, value in vars(imported).items() if name.startswith("test_") and inspect.isfunction(value)]
    assert len(tests) == 3
    for each in tests:
        each()

    # AND the sample is one that it takes
    sample = json.loads(event.read_text(encoding="utf-8"))
    kind = imported.workload.kind
    assert sample["kind"] == kind.name == NAME
    assert kind.params.model_validate(sample["params"]).texts == scaffold.SAMPLE
    assert kind.title(None) == "Grade essays 2"


@pytest.mark.parametrize("check", [["format", "--check"], ["check"]], ids=" ".join)
def test_what_is_written_has_the_style_of_the_repository(check: list[str], written: list[Path], tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "layers").symlink_to(ROOT / "layers")  # what is ours is told by the files that are there
    ran = _run("ruff", *check, *written[:2], at=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_is_written_is_typed(written: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", str(written[0].parents[1]))
    ran = _run("mypy", "--strict", written[0], at=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _run(module: str, *arguments: object, at: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=at, capture_output=True, text=True)


@pytest.mark.parametrize(
    "name",
    ["", "Essays", "grade-essays", "grade essays", "2essays", "_essays", "a__b", "../x", "class", "kinds", "x" * 49],
)
def test_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="is no name of a workload"):
        scaffold.write(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", range(3))
def test_nothing_is_overwritten(at: int, tmp_path: Path) -> None:
    files = scaffold.write(NAME, tmp_path)
    for number, path in enumerate(files):
        (tmp_path / path).write_text("mine", encoding="utf-8") if number == at else (tmp_path / path).unlink()
    with pytest.raises(StackError, match=f"{files[at].name} exists already"):
        scaffold.write(NAME, tmp_path)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*")] == ["mine"]


def test_a_kind_that_exists_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "brand_diagnosis"]) == 1
    assert main(["workload", "text_summaries"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "local: functions/diagnosis/kinds.py declares the kind brand_diagnosis already: choose another name",
        "local: functions/workloads/summaries.py declares the kind text_summaries already: choose another name",
    ]


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    steps = scaffold.next_steps(scaffold.write(NAME, tmp_path))
    for path in (
        f"functions/workloads/{NAME}.py",
        f"pytest tests/integration/workloads/test_{NAME}.py",
        f"longhaul submit {NAME} ",
        f"-d @events/workloads/{NAME}.json ",
        "make up",
    ):
        assert path in steps
