"""The Python client and the command line against the running stack."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from standardwebhooks import Webhook as Verifier

from local.options import ROOT
from local.running import eventually
from longhaul_client import (
    ProgressCallback,
    TaskManager,
    TaskNotFoundError,
    ValidationError,
    following,
    live,
    subscriptions,
)
from longhaul_client.command import longhaul
from longhaul_client.subscriptions import STATE
from tests.client import quoted
from tests.client.scripted import Reply, scripted
from tests.observation import KIND, Observer
from tests.providing import truth

MACAU = "820000"

# What each program prints when all goes as it means; "" for those that may print nothing.
PROGRAMS = {
    "alerts": "",
    "basic_task": "任务状态: FAILED",
    "breakpoint_task": "仍断点恢复，还需要处理 34 个省份",
    "cancel_task": "任务取消结果: ",
    "cleanup_old_tasks": "已清理 0 个旧任务",
    "concurrent_tasks": "已创建 4 个并发任务",
    "create_full_refresh_task": "任务ID: full_refresh_",
    "create_province_refresh_task": "广东省刷新任务ID: province_广东省_",
    "full_refresh": "任务失败: ",
    "get_active_tasks": "当前活跃任务: ",
    "granularity": "创建省份任务: 河南省 -> province_河南省_",
    "list_tasks": "运行不任务: 0",
    "memory": "",
    "monitor_panel": "任务监控报告",
    "performance": "性能分析结果:",
    "performance_analyzer": "性能分析结果:",
    "progress_callback": "",
    "province_refresh": "",
    "retried_task": "任务执行结果: {'task_id': 'province_广东省_",
    "single_province": "刷新失败: ",
    "task_batch": "批量进度: 100.0%",
    "task_lifecycle": "任务结束，状态: FAILED",
    "task_monitor": "健康状态: ",
    "task_queue": "所有任务处理完成",
    "wait_for_completion": "任务失败: ",
}
TROUBLE = ("告警系统错误", "处理失败", "查询任务", "最终失败", "任务创建失败")


@pytest.fixture(autouse=True)
def environment(observer: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAUL_URL", observer.stack.url)
    monkeypatch.setenv("LONGHAUL_TOKEN", observer.token)


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(longhaul, arguments, given, catch_exceptions=False)


@pytest.fixture
def overdue(observer: Observer) -> Iterator[ThreadPoolExecutor]:
    """Threads for programs; while they run no task starts, and each is soon past its deadline."""
    observer.sql("UPDATE lanes SET paused = 1")
    with ThreadPoolExecutor(len(PROGRAMS)) as threads:
        yield threads


def test_programs_run_as_they_are(
    observer: Observer, overdue: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN every program that the documentation of TaskManager had
    assert {path.stem for path in quoted.FOLDER.glob("*.py")} == PROGRAMS.keys()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asyncio, "sleep", quoted.hurried)

    # WHEN they run, and their tasks end at their deadlines
    running = {name: overdue.submit(quoted.run, name) for name in PROGRAMS}
    while not all(program.done() for program in running.values()):
        observer.sql("UPDATE tasks SET deadline = '2020-01-01' WHERE status = 'PENDING'")
        time.sleep(0.3)

    # THEN each comes to its end, and none of its requests was in vain
    for name, expected in PROGRAMS.items():
        said = "\n".join(running[name].result())
        assert expected in said, name
        assert not [trouble for trouble in TROUBLE if trouble in said], (name, said)


def test_a_manager_follows_a_refresh(observer: Observer) -> None:
    # GIVEN a listener, and one before it that is broken
    told: list[tuple[int, str]] = []
    callback = ProgressCallback()

    async def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    async def listen(task_id: str, progress: int, step: str) -> None:
        told.append((progress, step))

    callback.add_listener(broken)
    callback.add_listener(listen)

    # WHEN a province is refreshed
    async def refresh() -> tuple[dict[str, Any], bool]:
        manager = TaskManager(progress_callback=callback)
        task_id = await manager.create_province_refresh_task("澳门")
        ended = await manager.wait_for_completion(task_id, timeout=60, poll_interval=0.2)
        return ended, await manager.cancel_task(task_id)

    ended, cancelled = asyncio.run(refresh())

    # THEN it ends as the stack says it did, was seen on its way, and can no longer be cancelled
    everything = sum(map(len, truth(MACAU).values()))
    assert (ended["status"], ended["progress"], ended["hospital_name"]) == ("SUCCEEDED", 100, "澳门特别行政区刷新")
    assert ended["result"]["hospitals"] == ended["statistics"]["hospitals_found"] == everything
    assert [progress for progress, _ in told] == sorted(progress for progress, _ in told)
    assert (told[0][0] < 100, told[-1][0], cancelled) == (True, 100, False)


def test_a_manager_hears_of_a_refresh(observer: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a follower of a kind, which the server has subscribed, and which does not lose patience
    for module, name in ((following, "LOOK_SECONDS"), (live, "CONNECT_SECONDS"), (subscriptions, "SETTLE_SECONDS")):
        monkeypatch.setattr(module, name, 120.0)

    async def follow() -> tuple[list[Any], list[Any], dict[str, Any]]:
        async with TaskManager() as manager, aclosing(manager.follow(kind=KIND)) as everything:
            of_kind: list[Any] = []
            first = asyncio.ensure_future(anext(everything))
            while not any(one.is_live for socket in live._lives.values() for one in socket._followers.values()):
                await asyncio.sleep(0.05)

            # WHEN a province is refreshed, followed and waited for
            task_id = await manager.create_province_refresh_task("澳门")
            waiting = asyncio.ensure_future(manager.wait_for_completion(task_id, timeout=100, poll_interval=0.2))
            told = [notice async for notice in manager.follow(task_id=task_id)]
            of_kind.append(await first)
            while of_kind[-1]["data"]["status"] != "SUCCEEDED":
                of_kind.append(await anext(everything))
            return told, of_kind, await waiting

    told, of_kind, ended = asyncio.run(follow())

    # THEN both heard of it in order, from its state or its beginning to its end, and the end that was waited for is it
    assert told[0]["type"] in (STATE, "longhaul.task.submitted", "longhaul.task.started")  # whichever was the quickest
    assert told[-1]["type"] == "longhaul.task.succeeded"
    assert of_kind[0]["type"] in ("longhaul.task.submitted", "longhaul.task.started")
    assert of_kind[-1] == told[-1]
    assert told[-1]["data"]["task_id"] == ended["task_id"]
    for notices in (told, of_kind):
        heard = [one["sequence"] for one in notices if one["type"] != STATE]  # what is read by HTTP repeats the last
        assert heard == sorted(set(heard))


def test_the_command_line_listens(observer: Observer) -> None:
    # GIVEN a receiver on this machine, and a task that waits
    observer.sql("UPDATE lanes SET paused = 1")
    task_id = run("submit", KIND, "province=澳门").stdout.strip()
    with scripted() as receiver:
        receiver.will(Reply(200, {}))

        # WHEN its notices are listened to and forwarded, and it may start
        listen = [sys.executable, "-m", "longhaul_client", "listen", "--task", task_id, "--json"]
        with subprocess.Popen(
            [*listen, "--forward", receiver.url],
            env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as listening:
            assert listening.stdout is not None
            first = json.loads(listening.stdout.readline())
            assert run("queue", KIND, "--resume").exit_code == 0
            out, shown = listening.communicate(timeout=200)

        # THEN they were printed, from the state to the end
        told = [first, *map(json.loads, out.splitlines())]
        assert (first["data"]["status"], listening.returncode) == ("PENDING", 0), shown
        assert [told[at]["type"] for at in (0, 1, -1)] == [
            STATE,
            "longhaul.task.started",
            "longhaul.task.succeeded",
        ]
        # AND the receiver had what webhooks are told of, signed with the secret that was shown
        verifier = Verifier(shown.splitlines()[0].rpartition(" ")[2])
        posted = [verifier.verify(request.text, dict(request.headers)) for request in receiver.requests]
        assert posted == [told[1], told[-1]]
    assert run("listen", "--task", "no_such_task").exit_code == 3
    assert run("listen", "--kind", "no_such_kind").exit_code == 2


def test_the_command_line_keeps_webhooks(observer: Observer) -> None:
    # GIVEN a receiver on this machine, and a webhook that leads to it
    with scripted() as receiver:
        receiver.will(Reply(200, {"thanks": True}))
        made = json.loads(run("webhooks", "add", f"{receiver.url}/hook", "--event", "succeeded", "--json").stdout)
        hook, verifier = made["webhook_id"], Verifier(made["secret"])

        # WHEN a test is posted, and posted again
        delivery = json.loads(run("webhooks", "test", hook, "--json").stdout)["delivery_id"]
        eventually(lambda: len(receiver.requests) == 1, seconds=100)
        assert run("webhooks", "replay", hook, delivery).exit_code == 0
        eventually(lambda: len(receiver.requests) == 2, seconds=100)

        # THEN the receiver had the same twice, and the log has it
        for request in receiver.requests:
            assert verifier.verify(request.text, dict(request.headers))["type"] == "longhaul.webhook.test"
            assert request.headers["webhook-id"] == delivery
        eventually(lambda: "SUCCEEDED" in run("webhooks", "deliveries", hook).stdout, seconds=100)

    # AND it is listed, changed, paused, given another secret and removed
    assert hook in run("webhooks", "list").stdout
    changed = json.loads(run("webhooks", "change", hook, "--title", "一", "--all-events", "--json").stdout)
    assert (changed["title"], changed["events"]) == ("一", None)
    assert json.loads(run("webhooks", "pause", hook, "--json").stdout)["paused"] is True
    assert json.loads(run("webhooks", "resume", hook, "--json").stdout)["paused"] is False
    assert json.loads(run("webhooks", "rotate", hook, "--json").stdout)["secret"] != made["secret"]
    assert run("webhooks", "replay", hook, "--since", "1h").exit_code == 0
    assert run("webhooks", "secret").stdout.startswith("whsec_")
    assert run("webhooks", "remove", hook, "--yes").stdout == f"{hook} deleted\n"
    assert run("webhooks", "show", hook).exit_code == 3
    assert run("webhooks", "add", "http://10.0.0.1/hook").exit_code == 2


def test_the_command_line_keeps_recipients(observer: Observer) -> None:
    recipient_id = run("recipients", "add", "ada@example.com", "--language", "zh").stdout.split()[0]
    assert [one["recipient_id"] for one in json.loads(run("recipients", "list", "--json").stdout)] == [recipient_id]
    assert run("recipients", "remove", recipient_id).stdout == f"{recipient_id} removed\n"
    assert run("recipients", "list").stderr == "longhaul: no recipients\n"


def test_a_manager_steers(observer: Observer) -> None:
    observer.sql("UPDATE lanes SET paused = 1")

    async def steer() -> None:
        async with TaskManager() as manager:
            with pytest.raises(ValidationError, match="广东省"):
                await manager.create_province_refresh_task("广州省")
            with pytest.raises(TaskNotFoundError):
                await manager.get_task_status("province_海南省_0")
            told = await manager.create_tasks(
                [
                    {"kind": observer_kind, "params": {"province": province}}
                    for observer_kind, province in (("hospital_province_refresh", "海南"), ("no_such_kind", "海南"))
                ]
            )
            assert [item["status"] for item in told] == [202, 422]
            task_id = told[0]["task_id"]
            assert (await manager.set_priority(task_id, "urgent"))["priority"] == "urgent"
            assert [task["task_id"] for task in await manager.get_active_tasks()] == [task_id]
            assert (await manager.get_queue_status())["queue_size"] == 1
            assert await manager.cancel_task(task_id)
            assert (await manager.list_tasks("CANCELLED", sort_by="progress"))["total"] == 1
            assert await manager.cleanup_old_tasks(0) == 1

    asyncio.run(steer())


def test_the_command_line(observer: Observer) -> None:
    # GIVEN a task that was watched to its end, and one that waits
    submitted = run("submit", "hospital_province_refresh", "province=澳门", "--watch")
    assert submitted.exit_code == 0, submitted.output
    done, *lines = submitted.stdout.splitlines()
    assert lines[-1] == "100 %  澳门特别行政区刷新  SUCCEEDED"
    observer.sql("UPDATE lanes SET paused = 1")
    waits = run("submit", "hospital_full_refresh", "--priority", "low", "--title", "全国").stdout.strip()

    # THEN both are found, told apart, and steered as far as they can be
    assert run("list", "--all", "--quiet").stdout.split() == [waits, done]
    assert run("list", "--status", "PENDING", "--title", "全", "--quiet").stdout.split() == [waits]
    assert run("list", "--ended-after", "1h", "--quiet").stdout.split() == [done]
    assert run("list", "--ended-before", "1h").stderr == "longhaul: no tasks\n"
    assert "more: --all lists them" in run("list", "--page-size", "1", "--quiet").stderr
    assert json.loads(run("show", done, "--events", "--json").stdout)["events"][-1]["event"] == "succeeded"
    assert "澳门特别行政区刷新" in run("show", done, "--steps").stdout
    assert run("priority", "high", waits).stdout == f"{waits} PENDING high\n"
    refused = run("cancel", waits, done)
    assert (refused.exit_code, refused.stdout) == (4, f"{waits} CANCELLED high\n")
    assert run("watch", waits).exit_code == 1
    assert run("retry", waits).exit_code == 4
    assert run("show", "no_such_task").exit_code == 3
    assert run("submit", "no_such_kind").exit_code == 2

    # AND the lanes, the directory and the broom
    lanes = json.loads(run("queue", "--json").stdout)
    assert {lane["kind"]: lane["paused"] for lane in lanes}["hospital_full_refresh"] is True
    assert run("queue", "hospital_full_refresh", "--resume").exit_code == 0
    assert run("hospitals", "--province", "澳门").exit_code == 0
    assert run("purge", "--older-than-days", "0", given="y\n").stdout == "2 deleted\n"
    assert run("list").stderr == "longhaul: no tasks\n"
