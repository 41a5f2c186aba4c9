"""What is left out of the vendor layer, and what is not."""

from pathlib import Path

from click.testing import CliRunner

from local import trimming

KEPT = [
    "boto3/__init__.py",
    "botocore/data/endpoints.json",
    "botocore/docs/__init__.py",
    "botocore/data/sqs/2012-11-05/service-2.json.gz",
    "package/core.py",
    "package/testing.py",
    "package/compiled.so",
    "package-1.dist-info/METADATA",
]
LEFT_OUT = [
    "botocore/data/ec2/2016-11-15/service-2.json.gz",
    "package/tests/test_core.py",
    "package/inner/docs/index.rst",
    "package/core.pyi",
    "package/compiled.pyx",
]


def test_the_services_are_those_there_is_a_client_for() -> None:
    assert trimming.services() == {"dynamodb", "s3", "secretsmanager", "sesv2", "sns", "sqs", "stepfunctions"}


def test_only_what_is_never_read_is_left_out(tmp_path: Path) -> None:
    for name in KEPT + LEFT_OUT:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x" * 100_000)
    done = CliRunner().invoke(trimming.main, [str(tmp_path)])
    assert done.output == "1 MB before, 1 MB after\n"
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(KEPT)
