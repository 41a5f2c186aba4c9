"""The deployment's own process: what it keeps away from the stack, and its end."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop

from local.deploying import Order, deployer
from local.options import ROOT, Options, StackError
from local.running import eventually
from tests.processes import running

TREE = "import sys, local.__main__; print(*{name.partition('.')[0] for name in sys.modules})"


def test_the_stack_imports_neither_the_templates_translator_nor_boto3() -> None:
    # WHEN all that a stack runs is imported
    ran = subprocess.run([sys.executable, "-c", TREE], cwd=ROOT, capture_output=True, text=True, check=True)

    # THEN what only a deployment needs is not among it: it would stay, 60 MB
    assert "aiohttp" in ran.stdout.split()
    assert {"samtranslator", "boto3", "botocore", "moto"}.isdisjoint(ran.stdout.split())


def test_the_process_is_gone_when_the_block_ends(tmp_path: Path) -> None:
    async def stop() -> list[int]:
        async with deployer(_options(tmp_path)):
            return eventually(lambda: _children("local.template"))

    assert running(asyncio.run(stop())) == []


def test_a_deployment_that_breaks_is_told_with_the_last_line_of_its_log(tmp_path: Path) -> None:
    # GIVEN no local AWS
    options = _options(tmp_path)

    async def deploy() -> None:
        async with deployer(options) as deploying:
            await deploying(Order(options, "http://127.0.0.1:9", {}))

    # WHEN the template is deployed to it, THEN the reason is on one line, and more in the log
    with pytest.raises(StackError, match=r"^the deployment ended with 1: .*EndpointConnectionError.*:10/") as refused:
        asyncio.run(deploy())
    assert "\n" not in str(refused.value)
    assert "Traceback" in (options.logs / "deployment.log").read_text()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize(("program", "reason"), [("raise SystemExit(1)", "with 1"), ("7 / 0", "ZeroDivisionError")])
def test_a_deployment_that_ends_before_its_order_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: Any, program: str, reason: str
) -> None:
    # GIVEN a program that breaks as it starts, and a log of a start before
    package = tmp_path / "broken" / "local" / "template"
    package.mkdir(parents=True)
    for name, text in ((package.parent / "__init__.py", ""), (package / "__init__.py", program)):
        name.write_text(text, encoding="utf-8")
    options = _options(tmp_path)
    (options.logs / "deployment.log").write_text("the reason of another start\n", encoding="utf-8")
    monkeypatch.setattr("local.deploying.ROOT", tmp_path / "broken")
    monkeypatch.chdir(tmp_path)

    async def deploy() -> None:
        async with deployer(options) as deploying:
            await asyncio.sleep(1)  # it has ended
            await deploying(Order(options, "http://127.0.0.1:9", {}))

    # WHEN it is given an order, THEN its own reason is told
    with pytest.raises(StackError, match=reason) as refused, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(deploy())
    assert "another start" not in str(refused.value)


def _options(state: Path) -> Options:
    options = Options(state=state, port=9)
    options.logs.mkdir()
    return options


def _children(module: str) -> list[int]:
    """Return the processes that this one has started with `python -m module`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if module.encode() in words and parent == os.getpid():
            found.append(int(folder.name))
    return found
