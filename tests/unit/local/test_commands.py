"""The command line, as far as it needs no running stack."""

from pathlib import Path

import jwt
import pytest

from local import demo
from local.__main__ import main
from local.gateway.tokens import AUDIENCE, Issuer
from local.logs import log_path


def test_the_token_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--state", str(tmp_path), "--port", "4000", "--tenant", "t-3", "--user", "u-4", "--hours", "2"]

    assert main(["token", *arguments, "--scopes", "ops", "tasks:read"]) == 0

    token = capsys.readouterr().out.strip()
    claims = jwt.decode(token, Issuer(tmp_path, 4000).public_key, ["RS256"], audience=AUDIENCE)
    assert (claims["tenant_id"], claims["sub"], claims["scope"]) == ("t-3", "u-4", "ops tasks:read")
    assert claims["exp"] - claims["iat"] == 7200


def test_a_token_needs_a_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"local: no stack has run on {tmp_path}; ")
    assert not list(tmp_path.iterdir()), "a key that no stack has opens nothing"


def test_the_logs_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN the logs of two functions, one of them longer than what is shown
    folder = tmp_path / "logs"
    folder.mkdir()
    log_path(folder, "ListCities").write_text("".join(f"line {number}\n" for number in range(60)) + "half a")
    log_path(folder, "CloseTask").write_text("closed\n")

    for name in ("ListCities", "list_cities"):
        assert main(["logs", name, "--state", str(tmp_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert (len(lines), lines[0], lines[-1]) == (40, "line 20", "line 59")
    assert main(["logs", "--state", str(tmp_path)]) == 0
    assert "close_task: closed" in capsys.readouterr().out
    assert main(["logs", "nobody", "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("local: no logs of nobody")


def test_a_pair_must_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["up", "--env", "nonsense"])
    assert "is not NAME=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--workload", "sms"],
            "argument --workload: invalid choice: 'sms' "
            "(choose from 'hospitals', 'calls', 'role', 'diagnosis', 'summaries', 'video')",
        ),
        (["--workload", "calls", "--leads", "0"], "argument --leads: '0' is not between 1 and 2000"),
        (["--workload", "calls", "--leads", "2001"], "argument --leads: '2001' is not between 1 and 2000"),
        (["--workload", "calls", "--leads", "many"], "argument --leads: 'many' is not between 1 and 2000"),
        (["--port", "65533"], "argument --port: '65533' is not between 1 and 65532"),
    ],
)
def test_a_demo_that_cannot_be_is_refused_on_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"local: {reason}\n"


@pytest.mark.parametrize(
    ("arguments", "workload"),
    [
        ([], demo.Hospitals("广东省")),
        (["--province", "海南省"], demo.Hospitals("海南省")),
        (["--full"], demo.Hospitals(None)),
        (["--workload", "calls"], demo.Calls(200)),
        (["--workload", "calls", "--leads", "2000"], demo.Calls(2_000)),
        (["--workload", "calls", "--leads", "1"], demo.Calls(1)),
        (["--workload", "diagnosis"], demo.Diagnosis()),
        (["--workload", "summaries"], demo.Summaries()),
    ],
)
def test_a_demo_runs_the_workload_that_was_chosen(
    arguments: list[str], workload: demo.Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(demo, "run", lambda *given: started.append(given) or 0)

    assert main(["demo", "--state", str(tmp_path), "--port", "4000", *arguments]) == 0

    assert started == [(tmp_path, 4000, workload, {})]
