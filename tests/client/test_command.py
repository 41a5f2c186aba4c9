"""The command `longhaul`: what it asks, prints and returns."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.options import ROOT
from longhaul_client.command import longhaul
from tests.client.scripted import Reply, Scripted, problem, task

type Run = Callable[..., Result]

LISTED = {"items": [task()], "page": 1, "page_size": 20, "total": 1, "pages": 1}
EMPTY = {"items": [], "page": 1, "page_size": 20, "total": 0, "pages": 0}
CONFLICT = problem(
    409, "illegal_transition", "a SUCCEEDED task cannot be paused", allowed_actions=["retry"], task_status="SUCCEEDED"
)
COMMANDS = (
    ["submit", "x"],
    ["watch", "t-1"],
    ["list"],
    ["show", "t-1"],
    ["cancel", "t-1"],
    ["pause", "t-1"],
    ["resume", "t-1"],
    ["retry", "t-1"],
    ["priority", "high", "t-1"],
    ["queue"],
    ["purge", "--yes"],
    ["hospitals"],
)


REFUSALS = (
    (problem(404, "not_found", "there is no task t-1"), 3, "there is no task t-1"),
    (CONFLICT, 4, "a SUCCEEDED task cannot be paused"),
    (problem(422, "invalid_request", "No.", errors=[{"pointer": "/kind", "detail": "odd"}]), 2, "(/kind: odd)"),
    (problem(401, "unauthorized", "No token."), 6, "LONGHAUL_TOKEN"),
    (problem(403, "insufficient_scope", "It needs ops."), 6, "It needs ops."),
    (problem(503, "lane_full", "Full.", headers={"Retry-After": "90"}), 5, "try again in 90 s"),
    (problem(500, "internal_error", "Something\nwent wrong."), 5, "Something went wrong."),
    (Reply(204, ""), 5, "without a JSON object"),
)


@pytest.fixture
def run(server: Scripted) -> Run:
    def invoke(*arguments: str, given: str | None = None) -> Result:
        result = CliRunner().invoke(longhaul, arguments, given, catch_exceptions=False)
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.mark.parametrize(
    ("arguments", "reply", "code", "said"),
    [
        *((arguments, *refusal) for arguments in COMMANDS for refusal in REFUSALS[:2]),
        *((["show", "t-1"], *refusal) for refusal in REFUSALS[2:]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value) if isinstance(value, int) else "",
)
def test_what_is_refused_is_told_on_one_line(
    run: Run, server: Scripted, arguments: list[str], reply: Reply, code: int, said: str
) -> None:
    server.will(reply)
    result = run(*arguments, "--json")
    assert result.exit_code == code
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("longhaul: ")
    assert said in lines[0]


@pytest.mark.parametrize("arguments", [*COMMANDS, ["completion"], []], ids=lambda arguments: " ".join(arguments[:1]))
def test_each_command_explains_itself(run: Run, arguments: list[str]) -> None:
    result = run(*arguments[:1], "--help")
    assert result.exit_code == 0
    assert "longhaul " in result.stdout.split("Options:")[0].split("\n", 2)[2]  # an example


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Usage"),
        (["nonsense"], "No such command"),
        (["submit"], "Missing argument 'KIND'"),
        (["submit", "x", "province"], "neither key=text nor key:=json"),
        (["submit", "x", "n:=one"], "n:=one: not JSON"),
        (["submit", "x", "--params", "[]"], "no JSON object"),
        (["submit", "x", "--params", "@/nowhere"], "No such file"),
        (["submit", "x", "--run-after", "soon"], "'soon' is no time"),
        (["submit", "x", "--run-after", "0001-01-01"], "'0001-01-01' is no time"),
        (["submit", "x", "--priority", "soon"], "'soon' is not one of"),
        (["list", "--page-size", "1001"], "1001 is not in the range"),
        (["list", "--url", "localhost"], "'localhost' is no URL"),
        (["priority", "high"], "Missing argument 'TASK_ID...'"),
        (["cancel", "-"], "standard input has no id"),
        (["queue", "--pause"], "which kind?"),
        (["queue", "a", "--weight", "acme"], "should be TENANT=N"),
        (["queue", "a", "--weight", "acme=many"], "should be TENANT=N"),
        (["purge", "--older-than-days", "-1"], "-1 is not in the range"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_that_cannot_be(run: Run, server: Scripted, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert server.asked == []


def test_submit(run: Run, server: Scripted, tmp_path: Path) -> None:
    server.will(Reply(202, task("PENDING")))
    (tmp_path / "params.json").write_text('{"n": 1, "province": "广东省"}', encoding="utf-8")
    options = [
        "--priority",
        "HIGH",
        "--title",
        "t",
        "--idempotency-key",
        "k-1",
        "--run-after",
        "2026-12-01T08:00+08:00",
    ]

    result = run("submit", "x", "province=a=b", "deep:=[1]", "--params", f"@{tmp_path}/params.json", *options)

    assert (result.exit_code, result.output) == (0, "province_海南省_1\n")
    assert server.asked[0].headers["idempotency-key"] == "k-1"
    assert server.asked[0].body == {
        "kind": "x",
        "params": {"n": 1, "province": "a=b", "deep": [1]},
        "priority": "high",
        "title": "t",
        "run_after": "2026-12-01T00:00:00Z",
    }
    assert json.loads(run("submit", "x", "--params", "-", "--json", given='{"n": 2}').stdout) == task("PENDING")
    assert server.asked[1].body["params"] == {"n": 2}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_time_may_be_a_span(run: Run, server: Scripted, sign: int) -> None:
    server.will(Reply(200, EMPTY | task()))
    if sign > 0:
        run("submit", "x", "--deadline", "2h")
        text = server.asked[0].body["deadline"]
    else:
        run("list", "--created-after", "2h")
        text = server.asked[0].query["created_after"]
    assert abs(datetime.fromisoformat(text) - datetime.now(UTC) - sign * timedelta(hours=2)) < timedelta(seconds=5)


def test_submit_and_watch(run: Run, server: Scripted) -> None:
    server.will(
        Reply(202, task("PENDING")),
        Reply(200, task("PENDING", progress=0, queue_position=3)),
        Reply(200, task(eta_seconds=61.2)),
        Reply(200, task("SUCCEEDED", progress=100)),
    )
    result = run("submit", "x", "--watch")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "province_海南省_1",
        "  0 %  海南省刷新  PENDING, number 3 in its queue",
        " 40 %  海南省刷新  正在获取区县数据：定安县  61 s left",
        "100 %  海南省刷新  SUCCEEDED",
    ]


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (Reply(200, task("SUCCEEDED")), 0, ""),
        (Reply(200, task("CANCELLED")), 1, "longhaul: t-2 CANCELLED\n"),
        (
            Reply(200, task("FAILED", error={"code": "deadline_exceeded", "message": "too late"})),
            1,
            "longhaul: t-2 FAILED: deadline_exceeded: too late\n",
        ),
        (problem(404, "not_found", "there is no task t-2"), 3, "longhaul: t-2: there is no task t-2\n"),
    ],
    ids=["succeeded", "cancelled", "failed", "gone"],
)
def test_watch_several(run: Run, server: Scripted, reply: Reply, code: int, said: str) -> None:
    server.will(Reply(200, task("SUCCEEDED", task_id="t-1")), reply)
    result = run("watch", "t-1", "-", "t-1", "--json", given="t-2\n\n")
    assert result.exit_code == code
    assert result.stderr.replace("t-1", "t-2") == said
    assert json.loads(result.stdout.splitlines()[0])["status"] == "SUCCEEDED"


def test_watch_has_an_end(run: Run, server: Scripted) -> None:
    server.will(Reply(200, task()))
    result = run("watch", "t-1", "--timeout", "0.1")
    assert (result.exit_code, result.stderr) == (5, "longhaul: not all had ended after 0.1 s; they go on\n")


def test_steering_several(run: Run, server: Scripted) -> None:
    server.will(Reply(200, task("PAUSED")), CONFLICT)
    result = run("pause", "t-1", "t-2")
    assert result.exit_code == 4
    assert result.stdout == "province_海南省_1 PAUSED normal\n"
    assert result.stderr.endswith(": a SUCCEEDED task cannot be paused (it may be: retry)\n")
    assert {asked.path for asked in server.asked} == {"/api/v1/tasks/t-1/pause", "/api/v1/tasks/t-2/pause"}


@pytest.mark.parametrize(("changed", "code"), [(1000, 0), (999, 4)])
def test_steering_very_many(run: Run, server: Scripted, changed: int, code: int) -> None:
    # GIVEN more ids than one action of the server's takes
    ids = [f"t-{number}" for number in range(1200)]
    first = task("SUCCEEDED", kind="bulk_action", statistics={"changed": changed})
    rest = task("SUCCEEDED", kind="bulk_action", statistics={"changed": 200})
    server.will(Reply(202, task()), Reply(200, first), Reply(202, task()), Reply(200, rest))

    # WHEN all are made urgent
    result = run("priority", "urgent", "-", given="\n".join(ids))

    # THEN the server does it in two tasks, each followed to its end
    assert (result.exit_code, result.stdout) == (code, f"{changed} of 1000 changed\n200 of 200 changed\n")
    bodies = [asked.body for asked in server.asked if asked.path == "/api/v1/tasks/actions"]
    assert [body["filter"]["task_ids"] for body in bodies] == [ids[:1000], ids[1000:]]
    assert all((body["action"], body["priority"]) == ("prioritise", "urgent") for body in bodies)


def test_list(run: Run, server: Scripted) -> None:
    server.will(Reply(200, LISTED | {"total": 21, "pages": 2}))
    filters = ["--status", "running", "--status", "PENDING", "--kind", "a", "--priority", "low", "--title", "海"]
    result = run("list", *filters, "--sort", "progress", "--order", "asc", "--page", "1", "--url", server.url)
    assert result.exit_code == 0
    header, row = result.stdout.splitlines()
    assert header.split() == ["task", "id", "title", "status", "priority", "progress", "created", "at"]
    assert row.split()[:6] == ["province_海南省_1", "海南省刷新", "RUNNING", "normal", "40", "%"]
    assert result.stderr == "longhaul: page 1 of 2; tasks in all: 21\n"
    assert server.asked[0].query == {
        "status": "RUNNING,PENDING",
        "kind": "a",
        "priority": "low",
        "title": "海",
        "sort_by": "progress",
        "sort_order": "asc",
        "page": "1",
        "page_size": "20",
    }
    assert run("list", "--quiet").output == "province_海南省_1\n"
    assert json.loads(run("list", "--json").stdout)["total"] == 21


def test_list_all_follows_the_cursor(run: Run, server: Scripted) -> None:
    pages = [
        {"items": [task(task_id="t-1")], "next_cursor": "c"},
        {"items": [task(task_id="t-2")], "next_cursor": None},
    ]
    server.will(*(Reply(200, page) for page in pages))
    result = run("list", "--all", "--json", "--status", "FAILED")
    assert [json.loads(line)["task_id"] for line in result.stdout.splitlines()] == ["t-1", "t-2"]
    assert [asked.query for asked in server.asked] == [
        {"status": "FAILED", "limit": "1000"},
        {"status": "FAILED", "limit": "1000", "cursor": "c"},
    ]


@pytest.mark.parametrize(
    ("arguments", "body", "said"),
    [
        (["list"], EMPTY, "no tasks"),
        (["list", "--all"], {"items": [], "next_cursor": None}, "no tasks"),
        (["hospitals", "无"], EMPTY, "no hospitals"),
        (["queue", "nobody"], {"items": []}, "no lane of nobody"),
    ],
)
def test_nothing_is_told_too(run: Run, server: Scripted, arguments: list[str], body: Any, said: str) -> None:
    server.will(Reply(200, body))
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"longhaul: {said}\n")


def test_show(run: Run, server: Scripted) -> None:
    error = {"code": "too_many_failures", "message": "[red]no markup"}
    step = {"key": "city/460100", "level": "city", "label": "海口市", "status": "FAILED", "attempt": 1}
    event = {"event": "started", "status": "RUNNING", "attempt": 1, "detail": None, "at": "2026-11-25T01:02:04Z"}
    server.will(
        Reply(200, task("FAILED", error=error, statistics={"failed": [{"key": "a"}, {"key": "b"}]})),
        Reply(200, {"items": [step], "next_cursor": None}),
        Reply(200, {"items": [event], "next_cursor": None}),
    )
    result = run("show", "t-1", "--steps", "--events")
    assert result.exit_code == 0
    for text in ("[red]no markup", "city/460100", "started", "cancel, pause"):
        assert text in result.stdout
    assert [asked.path.rsplit("/", 1)[1] for asked in server.asked] == ["t-1", "steps", "events"]


def test_queue(run: Run, server: Scripted) -> None:
    lane = {"kind": "a", "waiting": 3, "running": 2, "max_concurrent": 5, "paused": True, "yours": {"waiting": 1}}
    server.will(Reply(200, {"items": [lane, {**lane, "kind": "b"}]}), Reply(200, lane))
    assert json.loads(run("queue", "a", "--json").stdout) == [lane]
    assert "yes" in run("queue", "a", "--pause", "--max-concurrent", "5", "--weight", "acme=3").stdout
    assert (server.asked[1].method, server.asked[1].path) == ("PATCH", "/api/v1/queue/a")
    assert server.asked[1].body == {"paused": True, "max_concurrent": 5, "weights": {"acme": 3}}


@pytest.mark.parametrize(("answer", "asked"), [("n\n", 0), ("", 0), ("y\n", 2)])
def test_purge_asks_first(run: Run, server: Scripted, answer: str, asked: int) -> None:
    server.will(Reply(200, {"deleted": 500, "more": True}), Reply(200, {"deleted": 1, "more": False}))
    result = run("purge", "--older-than-days", "0", "--status", "FAILED", given=answer)
    assert "Delete the tasks (FAILED) that ended more than 0 days ago?" in result.stderr
    assert len(server.asked) == asked
    assert result.stdout == ("501 deleted\n" if asked else "")
    assert result.exit_code == (0 if answer else 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    assert "_LONGHAUL_COMPLETE" in run("completion", shell).stdout


def test_an_interrupted_watch_says_that_the_task_goes_on(server: Scripted) -> None:
    server.will(Reply(200, task()))
    command = [sys.executable, "-m", "longhaul_client", "watch", "t-1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
    with subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # the tests may run where it is ignored
    ) as watching:
        deadline = time.monotonic() + 10
        while len(server.asked) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        watching.send_signal(signal.SIGINT)
        out, error = watching.communicate(timeout=10)
    assert (watching.returncode, error) == (130, "longhaul: interrupted; tasks go on\n")
    assert out == " 40 %  海南省刷新  正在获取区县数据：定安县\n"
