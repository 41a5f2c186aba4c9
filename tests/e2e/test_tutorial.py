"""docs/your-first-workload.md on the running stack: its shell blocks in one shell, its Python client in between."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.options import ROOT
from local.scaffold import write
from tests import tutorial
from tests.observation import Observer
from tests.tutorial import NAME

WATCH = "longhaul watch $TASK --timeout 8 "
# Eight seconds are enough for a person; how long a busy machine takes to begin is not what this is about.
UNTIL_IT_WORKS = """until longhaul show $TASK --json | grep -q '"items_done": [1-9]'; do sleep 0.2; done """
PATHS = ("functions", "layers/longhaul/python", "client", ".")


@pytest.fixture
def folder(template: Path, observer: Observer, tmp_path: Path) -> Iterator[Path]:
    """A reader's checkout, whose workload is in the code that the stack runs; `longhaul` is on its PATH.

    Neither its tasks nor its lane are left to other tests: these do not know the kind.
    """
    write(NAME, tmp_path)
    module = template.parent / "functions" / "workloads" / f"{NAME}.py"
    module.write_text(tutorial.workload(), encoding="utf-8")
    command = tmp_path / "bin" / "longhaul"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m longhaul_client "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    yield tmp_path
    observer.sql("DELETE FROM tasks WHERE kind = %s", NAME)
    observer.sql("DELETE FROM lanes WHERE kind = %s", NAME)
    module.unlink()


@pytest.mark.timeout(600)
def test_the_page_goes_from_a_submit_to_a_retry(observer: Observer, folder: Path) -> None:
    # GIVEN the page's blocks as one script, which talks to this stack
    blocks = [block for block in tutorial.blocks() if block.runs_on_stack]
    (folder / "client.py").write_text(next(one.text for one in blocks if one.language == "python"), encoding="utf-8")
    parts = [one.text if one.language == "sh" else f'"{sys.executable}" client.py\n' for one in blocks]
    provider = observer.stack.provider_url
    script = "\necho; echo ------\n".join(parts).replace("http://127.0.0.1:3002", provider)
    assert WATCH in script
    script = script.replace(WATCH, UNTIL_IT_WORKS)

    # WHEN it runs
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(str(ROOT / path) for path in PATHS),
        "LONGHAUL_URL": observer.stack.url,
        "LONGHAUL_TOKEN": observer.token,
    }
    ran = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    output = ran.stdout + ran.stderr

    # THEN a task was watched, and its results were read, by the command, by HTTP and by the client
    submitted, read, by_client, steered, retried = ran.stdout.split("\n------\n")
    assert "100 %  Summaries  SUCCEEDED" in submitted, output
    assert "summaries/text/00001" in read, output
    assert re.search(r'"next_cursor":"[^"]+"', read), output
    assert "SUCCEEDED {'summaries': 2}" in by_client, output
    assert "summaries/text/00000 " in by_client, output

    # AND one was paused, resumed and cancelled, and kept what it had done
    for status in ("PAUSED", "PENDING", "CANCELLED"):
        assert re.search(rf"{NAME}_\S+ {status} normal\n", steered), output
    assert re.search(r"^summaries/text/\d+ .*SUCCEEDED", steered, re.M), output

    # AND one failed, and its retry did what had failed
    assert "bad_answer" in retried, output
    assert retried.rstrip().endswith("100 %  Summaries  SUCCEEDED"), output
