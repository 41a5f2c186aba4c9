"""What the local AWS does not read when it starts."""

import subprocess
import sys

from local.options import ROOT

START = """
import os
os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")
from local.aws import interpreter, unread
unread.skip()
interpreter.quicken()
import moto.cloudformation.parsing
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.sqs.models import sqs_backends
here = sqs_backends["123456789012"]["us-east-1"].region_name
with open("/proc/self/statm") as sizes:
    print(len(INSTANCE_TYPES), here, int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000)
"""


def test_the_local_aws_starts_without_the_catalogues_of_ec2() -> None:
    # WHEN all of moto that the stack uses is imported
    ran = subprocess.run([sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, check=True)
    instances, region, megabytes = ran.stdout.split()

    # THEN it has none of EC2's catalogues, which would double its size, and services where the stack is
    assert (instances, region) == ("0", "us-east-1")
    assert int(megabytes) < 150
