"""`python -m local grants`: what roles may do and nothing did."""

from pathlib import Path

import pytest

from local.__main__ import main
from local.iam.grants import blueprint_of, unused
from local.iam.policies import Grant
from local.options import ROOT
from local.template.model import ACCOUNT, REGION

SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:longhaul"


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def test_what_was_not_used_is_listed_and_what_services_use_is_not(sample: Path) -> None:
    # GIVEN the sample, whose Pack and Note may write to a table and whose Flow may invoke a function
    blueprint = blueprint_of(sample)
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/longhaul-Seen"

    # WHEN Note has written, and Pack has
    found = unused(
        blueprint, [Grant("NoteRole", "dynamodb:PutItem", table), Grant("PackRole", "dynamodb:PutItem", table)]
    )

    # THEN what else Pack's policy allows is listed, and what nobody invoked
    assert "Note" not in found
    assert "dynamodb:PutItem on !GetAtt Seen.Arn" not in found["Pack"]
    assert {"dynamodb:UpdateItem on !GetAtt Seen.Arn", "dynamodb:BatchWriteItem on !GetAtt Seen.Arn"} <= found["Pack"]
    assert {line.split(" on ")[0] for line in found["Flow"]} == {"lambda:InvokeFunction"}


def test_the_rights_of_event_sources_maps_and_logs_are_used_by_the_services() -> None:
    found = unused(blueprint_of(ROOT / "template.yaml"), [])

    assert not [line for line in found["DispatchTasks"] if "sqs:ReceiveMessage" in line]
    assert [line for line in found["DispatchTasks"] if "sqs:SendMessage" in line]
    assert {line.split(" on ")[0] for line in found["RefreshHospitals"]} == {"lambda:InvokeFunction"}


def test_one_of_several_secrets_in_a_list_stands_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a record of a stack whose secrets have other suffixes
    def listed(*seen: Grant) -> str:
        record = tmp_path / "used"
        record.write_text("".join("\t".join(grant) + "\n" for grant in seen))
        assert main(["grants", "--record", str(record)]) == 0
        return capsys.readouterr().out.partition("WriteRole\n")[2].split("\nWriteR")[0]

    # WHEN one model's key has been read, and the database's
    before = listed()
    after = listed(
        Grant("WriteRoleRole", "secretsmanager:GetSecretValue", f"{SECRET}/llm/deepseek-AbCdEf"),
        Grant("WriteRoleRole", "secretsmanager:GetSecretValue", f"{SECRET}/database-123456"),
    )

    # THEN the parameters that name these are used
    for parameter in ("AiSecretArns", "DatabaseSecretArn"):
        assert f"secretsmanager:GetSecretValue on !Ref {parameter}" in before
        assert f"secretsmanager:GetSecretValue on !Ref {parameter}" not in after
    assert "secretsmanager:GetSecretValue on !Ref LlmSecretArn" in after


def test_without_a_record_it_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grants", "--record", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == (
        f"local: there is no record {tmp_path / 'none'} of grants that were used: run `make test`, or --help\n"
    )


def test_its_help_says_how_records_come_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["grants", "--help"])

    assert ended.value.code == 0
    assert "`make test` keeps those of its" in " ".join(capsys.readouterr().out.split())
