"""What is left out of the vendor layer, and what is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
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


@pytest.mark.skipif("BUILT" not in os.environ, reason="make build asks this of what it built")
def test_the_trimmed_layer_has_a_client_of_each_service_and_reads_numbers() -> None:
    code = (
        "import boto3, phonenumbers, sys; [boto3.client(name, region_name='ap-east-1') for name in sys.argv[1:]];"
        "assert phonenumbers.is_valid_number(phonenumbers.parse('13800138000', 'CN'))"
    )
    layer = Path(os.environ["BUILT"], "VendorLayer/python").absolute()
    command = [sys.executable, "-S", "-c", code, *trimming.services()]
    done = subprocess.run(command, env={"PYTHONPATH": str(layer)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
