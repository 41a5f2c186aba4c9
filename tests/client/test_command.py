"""The command `longhaul`: what it asks, prints and returns."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.options import ROOT
from longhaul_client.command import longhaul
from tests.client.scripted import Reply, Scripted, problem, task

type Run = Callable[..., Result]

LISTED: dict[str, Any] = {"items": [task()], "page": 1, "page_size": 20, "total": 1, "pages": 1}
LAST = {"next_cursor": None}
EMPTY = {"items": [], "page": 1, "page_size": 20, "total": 0, "pages": 0}
CONFLICT = problem(
    409, "illegal_transition", "a SUCCEEDED task cannot be paused", allowed_actions=["retry"], task_status="SUCCEEDED"
)
COMMANDS = (
    ["submit", "x"],
    ["watch", "t-1"],
    ["list"],
    ["show", "t-1"],
    ["results", "t-1"],
    ["cancel", "t-1"],
    ["pause", "t-1"],
    ["resume", "t-1"],
    ["retry", "t-1"],
    ["priority", "high", "t-1"],
    ["queue"],
    ["purge", "--yes"],
    ["hospitals"],
    ["listen", "--task", "t-1"],
    ["monitor", "--once"],
    ["webhooks", "list"],
    ["webhooks", "add", "https://hooks.example"],
    ["webhooks", "show", "wh_1"],
    ["webhooks", "change", "wh_1", "--enable"],
    ["webhooks", "pause", "wh_1"],
    ["webhooks", "rotate", "wh_1"],
    ["webhooks", "test", "wh_1"],
    ["webhooks", "deliveries", "wh_1"],
    ["webhooks", "replay", "wh_1", "msg_1"],
    ["webhooks", "replay", "wh_1", "--since", "2h"],
    ["webhooks", "secret", "--rotate"],
    ["recipients", "list"],
    ["recipients", "add", "ada@example.com"],
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
    ("arguments", "reply", "code", "message"),
    [
        *((arguments, *refusal) for arguments in COMMANDS for refusal in REFUSALS[:2]),
        *((["show", "t-1"], *refusal) for refusal in REFUSALS[2:]),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else str(value) if isinstance(value, int) else "",
)
def test_what_is_refused_is_told_on_one_line(
    run: Run, server: Scripted, arguments: list[str], reply: Reply, code: int, message: str
) -> None:
    server.will(reply)
    result = run(*arguments, "--json")
    assert result.exit_code == code
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("longhaul: ")
    assert message in lines[0]


HELPED = {tuple(arguments[: 2 if arguments[0] in ("webhooks", "recipients") else 1]) for arguments in COMMANDS}
HELPED |= {("webhooks",), ("webhooks", "resume"), ("webhooks", "remove"), ("recipients",), ("recipients", "remove")}


@pytest.mark.parametrize("arguments", sorted({*HELPED, ("completion",), ()}), ids=" ".join)
def test_each_command_explains_itself(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert "longhaul " in result.stdout.split("Options:")[0].split("\n", 2)[2]  # an example


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Usage"),
        (["nonsense"], "No such command"),
        (["submit"], "Missing argument 'KIND'"),
        (["submit", "x", "province"], "neither key=text nor key:=json"),
        (["submit", "x", "n:=one"], "n:=one: not JSON"),
        (["submit", "x", "--params", "[]"], "not a JSON object"),
        (["submit", "x", "--params", "@/nowhere"], "No such file"),
        (["submit", "x", "--run-after", "soon"], "'soon' is not a time"),
        (["submit", "x", "--run-after", "0001-01-01"], "'0001-01-01' is not a time"),
        (["submit", "x", "--priority", "soon"], "'soon' is not one of"),
        (["list", "--page-size", "1001"], "1001 is not in the range"),
        (["list", "--url", "localhost"], "'localhost' is not a URL"),
        (["priority", "high"], "Missing argument 'TASK_ID...'"),
        (["submit", "x", "n:=NaN"], "n:=NaN: not JSON: NaN is not a JSON number"),
        (["submit", "x", "n:=-Infinity"], "-Infinity is not a JSON number"),
        (["submit", "x", "n:=1e400"], "1e400 is not a JSON number"),
        (["submit", "x", "n:=" + "1" * 5000], "not JSON"),
        (["submit", "x", "n:=" + "[" * 100_000], "not JSON"),
        (["submit", "x", "text=\udcff"], "cannot be written"),
        (["submit", "x", "--idempotency-key", ""], "given and empty"),
        (["submit", "x", "--idempotency-key", "键"], "printable ASCII"),
        (["submit", "x", "--title", " "], "given and empty"),
        (["show", "\udcff"], "is not an id"),
        (["show", ".."], "is not an id"),
        (["results", "t-1", "--stage", ""], "given and empty"),
        (["results", "t-1", "--status", "done"], "'done' is not one of"),
        (["queue", "../x", "--pause", "--url", "http://h?x=1"], "not a URL"),
        (["list", "--kind", ""], "given and empty"),
        (["list", "--title", ""], "given and empty"),
        (["list", "--url", ""], "given and empty"),
        (["list", "--ended-after", "later"], "'later' is not a time"),
        (["list", "--title", "x" * 70_000], "cannot be written"),
        (["watch", "t-1", "--timeout", "nan"], "not a number of seconds"),
        (["cancel", ""], "an id is empty"),
        (["cancel", "t-1", ""], "an id is empty"),
        (["hospitals", ""], "given and empty"),
        (["queue", "a", "--weight", "acme=" + "1" * 5000], "should be TENANT=N"),
        (["queue", "--pause"], "name the kind"),
        (["queue", "a", "--weight", "acme"], "should be TENANT=N"),
        (["queue", "a", "--weight", "acme=many"], "should be TENANT=N"),
        (["purge", "--older-than-days", "-1"], "-1 is not in the range"),
        (["submit", "x", "--callback", ""], "given and empty"),
        (["listen", "--task", "t-1", "--kind", "x"], "not both"),
        (["listen", "--task", ".."], "is not an id"),
        (["listen", "--forward", "localhost"], "is not a URL"),
        (["listen", "--forward", "http://localhost", "--secret", "whsec_c2hvcnQ="], "a secret is whsec_ and 24 to 64"),
        (["webhooks"], "Usage"),
        (["webhooks", "nonsense"], "No such command"),
        (["webhooks", "add", "https://h", "--event", "progress"], "'progress' is not one of"),
        (["webhooks", "show", ".."], "is not an id"),
        (["webhooks", "change", "wh_1"], "say what is to change"),
        (["webhooks", "change", "wh_1", "--all-kinds", "--kind", "x"], "not both"),
        (["webhooks", "replay", "wh_1"], "name deliveries, or a time"),
        (["webhooks", "replay", "wh_1", "msg_1", "--since", "2h"], "name deliveries, or a time"),
        (["webhooks", "replay", "wh_1", "msg_1", "--status", "FAILED"], "name deliveries, or a time"),
        (["recipients", "add", ""], "given and empty"),
        (["recipients", "add", "a@b.example", "--language", "fr"], "'fr' is not one of"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_that_cannot_be(run: Run, server: Scripted, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert server.requests == []


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
    assert server.requests[0].headers["idempotency-key"] == "k-1"
    assert server.requests[0].body == {
        "kind": "x",
        "params": {"n": 1, "province": "a=b", "deep": [1]},
        "priority": "high",
        "title": "t",
        "run_after": "2026-12-01T00:00:00Z",
    }
    assert json.loads(run("submit", "x", "--params", "-", "--json", given='{"n": 2}').stdout) == task("PENDING")
    assert server.requests[1].body["params"] == {"n": 2}


@pytest.mark.parametrize("command", ["watch", "cancel", "pause", "resume", "retry", "priority"])
@pytest.mark.parametrize("as_json", [False, True])
def test_an_empty_pipe_is_nothing_to_do(run: Run, server: Scripted, command: str, as_json: bool) -> None:
    arguments = [command, *(["high"] if command == "priority" else []), "-", *(["--json"] if as_json else [])]
    result = run(*arguments, given="\n \n")
    assert (result.exit_code, result.stdout) == (0, "[]\n" if as_json else "")
    assert result.stderr == "longhaul: standard input has no id: there is nothing to do\n"
    assert server.requests == []


@pytest.mark.parametrize("command", ["watch", "cancel", "pause", "resume", "retry"])
def test_what_the_help_recommends_acts_on_all_that_match(run: Run, command: str) -> None:
    (example,) = (line for line in run(command, "--help").stdout.splitlines() if "longhaul list" in line)
    assert "--all --status " in example


STEERING = "\x1b]0;pwned\x07 \x9b31m \x7f \u202e \n \ud800 海😀"
HOSTILE = task(
    "FAILED",
    title=STEERING,
    current_step=STEERING,
    error={"code": STEERING, "message": STEERING},
    statistics={STEERING: [STEERING]},
    allowed_actions=[STEERING],
    task_id=f"t-1{STEERING}",
    priority=STEERING,
)


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--quiet"],
        ["list", "--all"],
        ["show", "t-1", "--steps", "--events"],
        ["watch", "t-1"],
        ["cancel", "t-1"],
        ["submit", "x"],
        ["queue"],
        ["queue", "x", "--pause"],
        ["hospitals"],
        ["listen", "--task", "t-1"],
        ["webhooks", "list"],
        ["webhooks", "show", "x"],
        ["webhooks", "deliveries", "x"],
        ["recipients", "list"],
        ["recipients", "add", "x"],
    ],
    ids=" ".join,
)
def test_nothing_that_a_server_sends_steers_the_terminal(
    run: Run, server: Scripted, arguments: list[str], as_json: bool
) -> None:
    item = {
        **HOSTILE,
        "kind": STEERING,
        "key": STEERING,
        "event": STEERING,
        "name": STEERING,
        "webhook_id": STEERING,
        "delivery_id": STEERING,
        "recipient_id": STEERING,
        "address": STEERING,
        "url": STEERING,
        "kinds": [STEERING],
        "at": HOSTILE["created_at"],
    }
    body: dict[str, Any] = {**LISTED, **item, "items": [item], "next_cursor": None}
    server.will(Reply(200, body))
    result = run(*arguments, *(["--json"] if as_json else []))
    assert not set(result.output) & set("\x1b\x07\x9b\x7f\u202e\ud800")
    if as_json:
        assert STEERING in _values(json.loads(result.stdout))


def _values(document: Any) -> Iterator[str]:
    """Every text within, as JSON's escapes have been read."""
    if isinstance(document, dict | list):
        for inner in document.values() if isinstance(document, dict) else document:
            yield from _values(inner)
    elif isinstance(document, str):
        yield document


def test_nor_does_a_refusal(run: Run, server: Scripted) -> None:
    server.will(problem(422, "invalid_request", STEERING, errors=[{"pointer": STEERING, "detail": STEERING}]))
    assert not set(run("submit", "x").output) & set("\x1b\x07\x9b\x7f\u202e\ud800")


def test_a_table_of_several_pages_has_one_header(run: Run, server: Scripted) -> None:
    # GIVEN the hospitals on two pages
    page = {"page": 1, "page_size": 1, "total": 2, "pages": 2}
    first = page | {"items": [{"name": "一院"}], "next_cursor": "c-2"}
    server.will(Reply(200, first), Reply(200, page | {"items": [{"name": "二院"}], "next_cursor": None}))

    # WHEN all are listed
    result = run("hospitals", "--all")

    # THEN the header is above the first page only
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["district", "name", "name", "level", "type", "address"]
    assert [row.strip() for row in rows] == ["一院", "二院"]
    assert result.stderr == "longhaul: hospitals: 2\n"


def test_all_hospitals_are_read_by_cursor(run: Run, server: Scripted) -> None:
    pages = [
        EMPTY | {"items": [{"name": name}], "next_cursor": cursor} for name, cursor in (("甲", "c1"), ("乙", None))
    ]
    server.will(*(Reply(200, page) for page in pages))
    result = run("hospitals", "--all", "--json", "--level", "二级")
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == ["甲", "乙"]
    assert [(request.query.get("cursor"), request.query["level"]) for request in server.requests] == [
        (None, "二级"),
        ("c1", "二级"),
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_time_may_be_a_span(run: Run, server: Scripted, sign: int) -> None:
    server.will(Reply(200, EMPTY | task()))
    if sign > 0:
        run("submit", "x", "--deadline", "2h")
        text = server.requests[0].body["deadline"]
    else:
        run("list", "--created-after", "2h")
        text = server.requests[0].query["created_after"]
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
    ("reply", "code", "message"),
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
def test_watch_several(run: Run, server: Scripted, reply: Reply, code: int, message: str) -> None:
    server.will(Reply(200, task("SUCCEEDED", task_id="t-1")), reply)
    result = run("watch", "t-1", "-", "t-1", "--json", given="t-2\n\n")
    assert result.exit_code == code
    assert result.stderr.replace("t-1", "t-2") == message
    assert json.loads(result.stdout.splitlines()[0])["status"] == "SUCCEEDED"


def test_watch_has_an_end(run: Run, server: Scripted) -> None:
    server.will(Reply(200, task()))
    result = run("watch", "t-1", "--timeout", "0.1")
    assert (result.exit_code, result.stderr) == (5, "longhaul: not all had ended after 0.1 s; they continue\n")


def test_steering_several(run: Run, server: Scripted) -> None:
    server.will(Reply(200, task("PAUSED")), CONFLICT)
    result = run("pause", "t-1", "t-2")
    assert result.exit_code == 4
    assert result.stdout == "province_海南省_1 PAUSED normal\n"
    assert result.stderr.endswith(": a SUCCEEDED task cannot be paused (allowed: retry)\n")
    assert {request.path for request in server.requests} == {"/api/v1/tasks/t-1/pause", "/api/v1/tasks/t-2/pause"}


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
    bodies = [request.body for request in server.requests if request.path == "/api/v1/tasks/actions"]
    assert [body["filter"]["task_ids"] for body in bodies] == [ids[:1000], ids[1000:]]
    assert all((body["action"], body["priority"]) == ("prioritise", "urgent") for body in bodies)


def test_list(run: Run, server: Scripted) -> None:
    server.will(Reply(200, LISTED | {"total": 21, "pages": 2}))
    filters = ["--status", "running", "--status", "PENDING", "--kind", "a", "--priority", "low", "--title", "海"]
    result = run("list", *filters, "--sort", "progress", "--order", "asc", "--page", "1", "--url", server.url)
    assert result.exit_code == 0
    header, row = result.stdout.splitlines()
    assert header.split() == ["task", "id", "title", "status", "priority", "progress", "created", "at", "error"]
    assert row.split()[:6] == ["province_海南省_1", "海南省刷新", "RUNNING", "normal", "40", "%"]
    cut = "longhaul: page 1 of 2; tasks in all: 21; more: --all lists them\n"
    assert result.stderr == cut
    assert server.requests[0].query == {
        "status": "RUNNING,PENDING",
        "kind": "a",
        "priority": "low",
        "title": "海",
        "sort_by": "progress",
        "sort_order": "asc",
        "page": "1",
        "page_size": "20",
    }
    quiet, as_json = run("list", "--quiet"), run("list", "--json")
    assert (quiet.stdout, quiet.stderr) == ("province_海南省_1\n", cut)  # who reads the pipe cannot know
    assert (json.loads(as_json.stdout)["total"], as_json.stderr) == (21, cut)


def test_a_list_that_is_whole_says_no_more(run: Run, server: Scripted) -> None:
    server.will(Reply(200, LISTED))
    assert run("list", "--quiet").stderr == run("list", "--json").stderr == ""


def test_a_list_shows_why_tasks_failed_and_is_filtered_by_their_end(run: Run, server: Scripted) -> None:
    server.will(Reply(200, {**LISTED, "items": [task("FAILED", error={"code": "bad_answer", "message": "no JSON"})]}))
    result = run("list", "--ended-after", "2026-11-25T08:00+08:00", "--ended-before", "2026-11-26T00:00Z")
    assert "bad_answer: no JSON" in result.stdout
    request = server.requests[0].query
    assert (request["ended_after"], request["ended_before"]) == ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z")


def test_a_list_is_filtered_by_error_codes(run: Run, server: Scripted) -> None:
    server.will(Reply(200, LISTED))
    assert run("list", "--error-code", "bad_answer", "--error-code", "!gone").exit_code == 0
    assert server.requests[0].query["error_code"] == "bad_answer,!gone"


def test_times_have_their_zone(run: Run, server: Scripted) -> None:
    server.will(Reply(200, task(created_at="2026-10-25T00:30:00Z", deadline="2026-10-25T01:30:00Z")))
    shown = run("show", "t-1").stdout
    for text in ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"):
        assert datetime.fromisoformat(text).astimezone().isoformat(" ", "seconds") in shown


def test_steps_that_are_cut_say_so(run: Run, server: Scripted) -> None:
    step = {"key": "a", "level": "b", "label": "c", "status": "PENDING", "attempt": 1}
    server.will(Reply(200, task()), Reply(200, {"items": [step] * 1001, "next_cursor": None}))
    assert run("show", "t-1", "--steps").stderr == "longhaul: more: only the first 1,000 steps are shown\n"


def test_list_all_follows_the_cursor(run: Run, server: Scripted) -> None:
    pages = [
        {"items": [task(task_id="t-1")], "next_cursor": "c"},
        {"items": [task(task_id="t-2")], "next_cursor": None},
    ]
    server.will(*(Reply(200, page) for page in pages))
    result = run("list", "--all", "--json", "--status", "FAILED")
    assert [json.loads(line)["task_id"] for line in result.stdout.splitlines()] == ["t-1", "t-2"]
    assert [request.query for request in server.requests] == [
        {"status": "FAILED", "limit": "1000"},
        {"status": "FAILED", "limit": "1000", "cursor": "c"},
    ]


@pytest.mark.parametrize(
    ("arguments", "body", "message"),
    [
        (["list"], EMPTY, "no tasks"),
        (["list", "--all"], {"items": [], "next_cursor": None}, "no tasks"),
        (["hospitals", "无"], EMPTY, "no hospitals"),
        (["queue", "nobody"], {"items": []}, "no queue of nobody"),
    ],
)
def test_nothing_is_told_too(run: Run, server: Scripted, arguments: list[str], body: Any, message: str) -> None:
    server.will(Reply(200, body))
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"longhaul: {message}\n")


def test_show(run: Run, server: Scripted) -> None:
    error = {"code": "too_many_failures", "message": "[red]no markup"}
    step = {"key": "city/460100", "level": "city", "label": "海口市", "status": "FAILED", "attempt": 1, "attempts": 13}
    working = {**step, "key": "city/460200", "status": "RUNNING", "started_at": "2026-11-25T01:02:05Z"}
    done = {**working, "key": "city/460300", "status": "SUCCEEDED", "duration_seconds": 4.25}
    reason = {"reason": "a caller resumed it"}
    event = {"event": "started", "status": "RUNNING", "attempt": 1, "detail": reason, "at": "2026-11-25T01:02:04Z"}
    server.will(
        Reply(200, task("FAILED", error=error, statistics={"failed": [{"key": "a"}, {"key": "b"}]})),
        Reply(200, {"items": [step, working, done], "next_cursor": None}),
        Reply(200, {"items": [event], "next_cursor": None}),
    )
    result = run("show", "t-1", "--steps", "--events")
    assert result.exit_code == 0
    for text in ("[red]no markup", "city/460100", "started", "cancel, pause", "RUNNING", "4.25", "a caller resumed it"):
        assert text in result.stdout
    assert [request.path.rsplit("/", 1)[1] for request in server.requests] == ["t-1", "steps", "events"]


RESULTS = [
    {
        "key": "texts/1",
        "stage": "texts",
        "label": "text 1",
        "status": "SUCCEEDED",
        "output": {"words": 3},
        "error": None,
    },
    {
        "key": "texts/2",
        "stage": "texts",
        "label": "text 2",
        "status": "FAILED",
        "output": {},
        "error": {"code": "odd", "message": "[red]no markup"},
    },
]


def test_results_are_read_a_page_at_a_time(run: Run, server: Scripted) -> None:
    pages = (Reply(200, {"items": RESULTS[:1], "next_cursor": "c-2"}), Reply(200, {"items": RESULTS[1:]} | LAST))
    server.will(*pages)
    result = run("results", "t-1", "--stage", "texts", "--status", "failed")
    assert (result.exit_code, result.stderr) == (0, "longhaul: results: 2\n")
    for text in ("key", "texts/1", "words 3", "odd: [red]no markup"):
        assert result.stdout.count(text) == 1
    asked = {"stage": "texts", "status": "FAILED", "limit": "100"}
    assert [(request.path, request.query) for request in server.requests] == [
        ("/api/v1/tasks/t-1/results", asked),
        ("/api/v1/tasks/t-1/results", asked | {"cursor": "c-2"}),
    ]


def test_results_as_json_are_a_document_a_line(run: Run, server: Scripted) -> None:
    server.will(Reply(200, {"items": RESULTS} | LAST))
    result = run("results", "t-1", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == RESULTS
    assert result.stderr == ""
    server.will(Reply(200, {"items": []} | LAST))
    assert run("results", "t-1").stderr == "longhaul: no results\n"


def test_queue(run: Run, server: Scripted) -> None:
    lane = {"kind": "a", "waiting": 3, "running": 2, "max_concurrent": 5, "paused": True, "yours": {"waiting": 1}}
    server.will(Reply(200, {"items": [lane, {**lane, "kind": "b"}]}), Reply(200, lane))
    assert json.loads(run("queue", "a", "--json").stdout) == [lane]
    assert "yes" in run("queue", "a", "--pause", "--max-concurrent", "5", "--weight", "acme=3").stdout
    assert (server.requests[1].method, server.requests[1].path) == ("PATCH", "/api/v1/queue/a")
    assert server.requests[1].body == {"paused": True, "max_concurrent": 5, "weights": {"acme": 3}}


@pytest.mark.parametrize(("answer", "requests"), [("n\n", 0), ("", 0), ("y\n", 2)])
def test_purge_asks_first(run: Run, server: Scripted, answer: str, requests: int) -> None:
    server.will(Reply(200, {"deleted": 500, "more": True}), Reply(200, {"deleted": 1, "more": False}))
    result = run("purge", "--older-than-days", "0", "--status", "FAILED", given=answer)
    assert "Delete the tasks (FAILED) that ended more than 0 days ago?" in result.stderr
    assert len(server.requests) == requests
    assert result.stdout == ("501 deleted\n" if requests else "")
    assert result.exit_code == (0 if answer else 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    assert "_LONGHAUL_COMPLETE" in run("completion", shell).stdout


def started(*arguments: str | bytes, shell: str = '"$@"', **environment: str) -> subprocess.Popen[bytes]:
    """The command as a process of its own; `shell` says where its streams lead."""
    command = ["sh", "-c", shell, "sh", sys.executable, "-m", "longhaul_client", *arguments]
    pipe = subprocess.PIPE
    known = {**os.environ, "PYTHONPATH": str(ROOT / "client"), **environment}
    return subprocess.Popen(command, env=known, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["list"], {"PYTHONIOENCODING": "ascii"}),
        (["list", "--json"], {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        (["list", "--json"], {"PYTHONIOENCODING": "gbk"}),
        (["list"], {"PYTHONIOENCODING": "gbk"}),
        (["--help"], {"PYTHONIOENCODING": "ascii"}),
        (["cancel", "-"], {"PYTHONIOENCODING": "ascii"}),
    ],
    ids=lambda value: " ".join(value),
)
def test_an_encoding_that_lacks_a_character_is_no_obstacle(
    server: Scripted, arguments: list[str], environment: dict[str, str]
) -> None:
    server.will(Reply(200, {**LISTED, **task(), "items": [task(title="海😀")]}))
    with started(*arguments, **environment) as command:
        out, error = command.communicate("province_海南省_1\n".encode(), timeout=60)
    assert command.returncode == 0
    assert b"Traceback" not in error
    if "--json" in arguments:
        assert json.loads(out)["items"][0]["title"] == "海😀"
    if "-" in arguments:
        assert server.requests[0].path == "/api/v1/tasks/province_海南省_1/cancel"


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        ([b"show", b"\xff"], b"", "is not an id"),
        ([b"list", b"--created-after", b"\xff"], b"", "is not a time"),
        ([b"cancel", b"-"], b"\xff\n", "standard input is not UTF-8"),
        ([b"cancel", b"-"], b"a\x00b\n", "is not an id"),
    ],
    ids=["argument", "time", "input", "zero"],
)
def test_bytes_that_are_no_text(server: Scripted, arguments: list[bytes], given: bytes, message: str) -> None:
    with started(*arguments) as command:
        out, error = command.communicate(given, timeout=60)
    assert (command.returncode, out) == (2, b"")
    assert message in error.decode()
    assert "Traceback" not in error.decode()
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "shell", "message"),
    [
        (["list"], '"$@" | true', ""),
        (["watch", "t-1", "t-2"], '"$@" | true', ""),
        (["list"], '"$@" >/dev/full', "longhaul: cannot write: No space left on device\n"),
        (["list"], '"$@" >&-', ""),
        (["show", "."], '"$@" 2>&- >&-', ""),
        (["cancel", "-"], '"$@" <&-', "standard input has no id"),
        (["purge"], '"$@" <&-', "Aborted"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_streams_that_are_closed_or_full(server: Scripted, arguments: list[str], shell: str, message: str) -> None:
    server.will(Reply(200, {**LISTED, **task("SUCCEEDED"), "items": [task()] * 500}))
    with started(*arguments, shell=shell) as command:
        error = command.communicate(timeout=60)[1].decode()
    assert message in error
    assert "Traceback" not in error
    assert "ignored" not in error


def test_a_stack_that_is_down_is_reported_at_once(server: Scripted) -> None:
    with started("show", "t-1", LONGHAUL_URL="http://127.0.0.1:9") as command:
        assert command.stderr is not None
        first = command.stderr.readline().decode()
        running = command.poll() is None
        command.kill()
    assert first.startswith("longhaul: network: no answer from http://127.0.0.1:9: ")
    assert "; trying again in " in first
    assert running


def test_who_retries_says_no_more_than_a_line_a_second(
    run: Run, monkeypatch: pytest.MonkeyPatch, server: Scripted
) -> None:
    monkeypatch.setenv("LONGHAUL_URL", "http://127.0.0.1:9")
    result = run("watch", *(f"t-{number}" for number in range(5)))
    assert result.exit_code == 5
    assert sum("trying again" in line for line in result.stderr.splitlines()) == 1
    assert len(result.stderr.splitlines()) == 6


@pytest.mark.parametrize(
    "environment",
    [{"HTTP_PROXY": "ftp://x"}, {"HTTP_PROXY": "socks5://x:1"}, {"SSL_CERT_FILE": "/nowhere"}],
    ids=lambda value: " ".join(value.values()),
)
def test_an_environment_that_cannot_be(
    run: Run, monkeypatch: pytest.MonkeyPatch, server: Scripted, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run("list")
    assert result.exit_code == 2
    assert "the environment's proxy or certificates" in result.stderr


def test_another_service_is_not_taken_for_longhaul(run: Run, server: Scripted) -> None:
    server.will(Reply(200, {"message": "hello"}))
    for arguments in COMMANDS:
        result = run(*arguments)
        assert result.exit_code == 5
        assert "is it Longhaul's?" in result.stderr


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
        while len(server.requests) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        watching.send_signal(signal.SIGINT)
        out, error = watching.communicate(timeout=10)
    assert (watching.returncode, error) == (130, "longhaul: interrupted; the tasks continue\n")
    assert out == " 40 %  海南省刷新  正在获取区县数据：定安县\n"
