"""Functions in real processes under the real runtime client: what comes of them, and when they end."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
import uvloop

from local.logs import log_path
from local.processes import kill_group
from local.runtime.forking import IMMORTAL
from local.runtime.limits import UnknownFunction
from local.runtime.nursery import Nursery
from local.runtime.pool import COMMON, SPARE_SECONDS
from local.runtime.runtime import Runtime
from local.template.model import Function
from tests.processes import running
from tests.runtime import payload, run


def test_an_answer_and_the_environment_a_function_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a function with one variable, and another variable on this machine
    monkeypatch.setenv("MACHINE_ONLY", "secret")
    echo = Function("Echo", "app.echo", timeout=5, memory=300, environment={"TABLE": "t-1"})

    async def work(runtime: Runtime) -> None:
        # WHEN it is invoked by its logical id, its physical name and its ARN
        for name in ("Echo", "Physical-1", "arn:aws:lambda:us-east-1:123456789012:function:Physical-1"):
            outcome = await runtime.invoke(name, '{"say": "你好"}'.encode())
            assert not outcome.failed
        seen = payload(outcome)

        # THEN it had the event, its template's environment and Lambda's, and nothing of this machine's
        assert seen["event"] == {"say": "你好"}
        assert 3000 < seen["left"] <= 5000
        environment = seen["environment"]
        assert (environment["TABLE"], environment["OVERRIDE"]) == ("t-1", "yes")
        assert (environment["AWS_LAMBDA_FUNCTION_NAME"], environment["AWS_REGION"]) == ("Echo", "us-east-1")
        assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "300"
        assert "MACHINE_ONLY" not in environment
        assert seen["arn"].endswith(":function:Echo")
        assert Path(seen["cwd"]).name == "functions"

    run(tmp_path, work, echo)
    lines = log_path(tmp_path / "logs", "Echo").read_text(encoding="utf-8").splitlines()
    assert lines.count("said 你好") == 3
    reports = [line for line in lines if line.startswith("REPORT")]
    assert ["Init Duration" in line for line in reports] == [True, False, False]
    assert all("Memory Size: 300 MB" in line and "Duration: " in line for line in reports)


def test_the_runtime_client_starts_no_thread_for_an_event(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        names = [payload(await runtime.invoke("Pooled", b"{}")) for _ in range(3)]
        assert names == ["ThreadPoolExecutor-0_0", "ThreadPoolExecutor-1_0", "ThreadPoolExecutor-2_0"]

    run(tmp_path, work, Function("Pooled", "app.pooled"))


def test_an_exception_has_the_shape_that_a_state_machine_matches(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        outcome = await runtime.invoke("Fail", b'{"what": "luck"}')
        assert outcome.failed
        assert payload(outcome)["errorType"] == "TooOdd"
        assert payload(outcome)["errorMessage"] == "no luck"
        assert payload(outcome)["stackTrace"]

    run(tmp_path, work, Function("Fail", "app.fail"))


def test_a_function_over_its_timeout_is_killed_and_the_next_call_has_a_new_process(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        first = payload(await runtime.invoke("Sleep", b'{"seconds": 0}'))
        started = time.monotonic()
        outcome = await runtime.invoke("Sleep", b"{}")
        assert 0.9 < time.monotonic() - started < 5
        assert payload(outcome)["errorType"] == "Sandbox.Timedout"
        assert "Task timed out after 1.00 seconds" in payload(outcome)["errorMessage"]
        assert payload(await runtime.invoke("Sleep", b'{"seconds": 0}')) != first
        while running([first]):
            await asyncio.sleep(0.01)

    run(tmp_path, work, Function("Sleep", "app.sleep", timeout=1))


def test_a_killed_process_is_reported_at_once(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        call = asyncio.create_task(runtime.invoke("Sleep", b"{}"))
        pool = runtime.pools["Sleep"]
        while not (pool.workers and pool.workers[0].busy):
            await asyncio.sleep(0.02)
        os.kill(pool.workers[0].pid, signal.SIGKILL)
        async with asyncio.timeout(2):
            outcome = await call
        assert payload(outcome)["errorType"] == "Runtime.ExitError"
        assert "signal: killed" in payload(outcome)["errorMessage"]

    run(tmp_path, work, Function("Sleep", "app.sleep", timeout=30))


def test_a_process_killed_while_idle_costs_nobody_an_event(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        first = payload(await runtime.invoke("Echo", b"{}"))["pid"]
        os.kill(first, signal.SIGKILL)
        await asyncio.sleep(0.2)
        outcome = await runtime.invoke("Echo", b"{}")
        assert not outcome.failed
        assert payload(outcome)["pid"] != first

    run(tmp_path, work, Function("Echo", "app.echo"))


def test_a_process_that_leaves_is_an_exit_error(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        outcome = await runtime.invoke("Leave", b"{}")
        assert payload(outcome)["errorType"] == "Runtime.ExitError"
        assert "exit status 3" in payload(outcome)["errorMessage"]

    run(tmp_path, work, Function("Leave", "app.leave"))


@pytest.mark.parametrize(
    ("handler", "kind", "says"),
    [
        ("missing.handler", "Runtime.ImportModuleError", "missing"),
        ("app.missing", "Runtime.HandlerNotFound", "missing"),
        ("broken.handler", "ValueError", "no settings"),
    ],
)
def test_an_init_error_is_told(tmp_path: Path, handler: str, kind: str, says: str) -> None:
    async def work(runtime: Runtime) -> None:
        outcome = await runtime.invoke("Broken", b"{}")
        assert outcome.failed
        assert payload(outcome)["errorType"] == kind
        assert says in payload(outcome)["errorMessage"]

    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "broken.py").write_text('raise ValueError("no settings")')
    run(tmp_path, work, Function("Broken", handler))
    assert "INIT failed" in log_path(tmp_path / "logs", "Broken").read_text(encoding="utf-8")


def test_events_at_once_have_processes_of_their_own_up_to_a_limit(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        calls = (runtime.invoke("Sleep", b'{"seconds": 0.3}') for _ in range(5))
        outcomes = await asyncio.gather(*calls)
        assert len({payload(outcome) for outcome in outcomes}) == 2

    run(tmp_path, work, Function("Sleep", "app.sleep", timeout=10), concurrency=2)


SLOW_TO_START = """
import os, time
from pathlib import Path

mark = Path(os.environ["MARK"])
if mark.exists():
    time.sleep(20)
mark.touch()


def handler(event, context):
    time.sleep(event["seconds"])
    return os.getpid()
"""


def test_a_process_that_gets_free_takes_the_event_that_waits_for_one_that_starts(tmp_path: Path) -> None:
    # GIVEN a function with one warm process; another one takes 20 seconds to start
    slow = Function("Slow", "slow.handler", timeout=10, environment={"MARK": str(tmp_path / "mark")})
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "slow.py").write_text(SLOW_TO_START)

    async def work(runtime: Runtime) -> None:
        warm = payload(await runtime.invoke("Slow", b'{"seconds": 0}'))

        # WHEN three events come at once
        began = time.monotonic()
        outcomes = await asyncio.gather(*(runtime.invoke("Slow", b'{"seconds": 0.2}') for _ in range(3)))

        # THEN the warm process runs them one after the other, before another has started
        assert time.monotonic() - began < 10
        assert [payload(outcome) for outcome in outcomes] == [warm] * 3

    run(tmp_path, work, slow)


def test_an_event_that_is_given_up_while_it_waits_takes_no_process(tmp_path: Path) -> None:
    # GIVEN a busy process, and an event that waits for another one to start
    slow = Function("Slow", "slow.handler", timeout=10, environment={"MARK": str(tmp_path / "mark")})
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "slow.py").write_text(SLOW_TO_START)

    async def work(runtime: Runtime) -> None:
        warm = payload(await runtime.invoke("Slow", b'{"seconds": 0}'))
        busy = asyncio.create_task(runtime.invoke("Slow", b'{"seconds": 0.5}'))
        waiting = asyncio.create_task(runtime.invoke("Slow", b'{"seconds": 0}'))
        await asyncio.sleep(0.1)

        # WHEN nobody waits for it any longer
        waiting.cancel()
        await busy

        # THEN the process that got free runs the next event
        assert payload(await runtime.invoke("Slow", b'{"seconds": 0}')) == warm

    run(tmp_path, work, slow)


def test_a_changed_source_is_run_by_the_next_event(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        assert "pid" in payload(await runtime.invoke("Echo", b"{}"))
        (tmp_path / "functions" / "app.py").write_text("def echo(event, context): return 'changed'")
        await asyncio.sleep(0.3)
        assert payload(await runtime.invoke("Echo", b"{}")) == "changed"

    run(tmp_path, work, Function("Echo", "app.echo"))


def test_of_idle_processes_the_last_one_used_is_kept_longer(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        # GIVEN three processes, one of them new, that have been idle for longer than those to spare are kept
        pool = runtime.pools["Sleep"]
        for number in (2, 2, 3):
            await asyncio.gather(*(runtime.invoke("Sleep", b'{"seconds": 0.3}') for _ in range(number)))
        assert len(pool.workers) == 3
        for worker in pool.workers:
            worker.idle_since -= SPARE_SECONDS + 1

        # WHEN the runtime looks THEN one is left
        pool.retire_idle()
        assert len(pool.workers) == 1

    run(tmp_path, work, Function("Sleep", "app.sleep", timeout=30))


@pytest.mark.parametrize(("apart", "kept"), [(20.0, 1), (31.0, 0)])
def test_a_process_is_kept_longer_for_a_function_that_is_called_often(tmp_path: Path, apart: float, kept: int) -> None:
    """The next event of a schedule is a minute away. Who clicks through the console comes back in some seconds."""

    async def work(runtime: Runtime) -> None:
        # GIVEN two events so many seconds apart, each with a process of its own, which is idle for some seconds
        pool = runtime.pools["Sleep"]
        for _ in range(2):
            pool.retire_idle()
            assert pool.workers == []
            pool._invoked_at -= apart
            await runtime.invoke("Sleep", b'{"seconds": 0}')
            pool.workers[0].idle_since -= SPARE_SECONDS + 1

        # WHEN the runtime looks THEN the second one stays if they were close together
        pool.retire_idle()
        assert len(pool.workers) == kept

    run(tmp_path, work, Function("Sleep", "app.sleep", timeout=30))

    run(tmp_path, work, Function("Sleep", "app.sleep", timeout=30))


def test_a_process_begins_with_packages_and_without_code_of_ours(tmp_path: Path) -> None:
    # GIVEN a function that looks at what was imported before it
    (tmp_path / "functions").mkdir()
    code = "import sys\nBEFORE = sorted(sys.modules)\n\n\ndef handler(event, context):\n    return BEFORE\n"
    (tmp_path / "functions" / "looking.py").write_text(code)

    async def work(runtime: Runtime) -> None:
        before = payload(await runtime.invoke("Look", b"{}"))
        assert {"pydantic", "boto3", "pymysql", "aws_lambda_powertools"} <= set(before)
        assert not [name for name in before if name.split(".")[0] in ("longhaul", "local", "tasks")]

    run(tmp_path, work, Function("Look", "looking.handler"))


def test_a_process_counts_no_references_to_what_it_shares(tmp_path: Path) -> None:
    # GIVEN a function that looks at a count in the packages, which it would have to write, and at one of its own
    (tmp_path / "functions").mkdir()
    code = "import sys\nimport pydantic\n\n\ndef handler(event, context):\n"
    code += "    return [sys.getrefcount(one) for one in (pydantic.BaseModel, pydantic.BaseModel.__doc__, handler)]\n"
    (tmp_path / "functions" / "counting.py").write_text(code)

    async def work(runtime: Runtime) -> None:
        model, text, own = payload(await runtime.invoke("Count", b"{}"))
        assert model == text == IMMORTAL
        assert own < 100

    run(tmp_path, work, Function("Count", "counting.handler"))


def test_a_process_is_killed_as_soon_as_it_is_told_of(tmp_path: Path) -> None:
    """A stack that is stopped while a process starts would wait for it for ever."""

    async def work() -> None:
        nursery = Nursery(COMMON)
        try:
            for _ in range(20):
                child = await nursery.fork("app.echo", tmp_path, {})
                kill_group(child.pid)
                child.stdout.close()
                assert await asyncio.wait_for(child.wait(), 10) == -signal.SIGKILL
        finally:
            await nursery.close()

    asyncio.run(work(), loop_factory=uvloop.new_event_loop)


def test_processes_end_with_the_one_that_forks_and_the_next_call_has_new_ones(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        # GIVEN a process, and the one that has forked it
        first = payload(await runtime.invoke("Echo", b"{}"))["pid"]
        parent = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
        assert parent != os.getpid()

        # WHEN that is killed during an invocation THEN it has failed as one whose process was killed
        sleeping = asyncio.create_task(runtime.invoke("Sleep", b"{}"))
        while not any(worker.busy for worker in runtime.pools["Sleep"].workers):
            await asyncio.sleep(0.01)
        os.kill(parent, signal.SIGKILL)
        outcome = await sleeping
        assert "signal: killed" in payload(outcome)["errorMessage"]

        # AND later calls have processes again
        for name in ("Echo", "Echo"):
            assert payload(await runtime.invoke(name, b"{}"))["pid"] != first

    run(tmp_path, work, Function("Echo", "app.echo"), Function("Sleep", "app.sleep", timeout=30))


def test_idle_processes_end(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        pid = payload(await runtime.invoke("Echo", b"{}"))["pid"]
        await asyncio.sleep(0.1)
        runtime.pools["Echo"].retire_idle()
        while running([pid]):
            await asyncio.sleep(0.01)

    run(tmp_path, work, Function("Echo", "app.echo"), idle_seconds=0.05)


def test_an_unknown_function(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        with pytest.raises(UnknownFunction):
            await runtime.invoke("Nobody", b"{}")

    run(tmp_path, work, Function("Echo", "app.echo"))
