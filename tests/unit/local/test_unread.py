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
import sys
from moto.backends import get_backend
from moto.sqs.models import sqs_backends
read = sum(f"moto.{name}.models" in sys.modules for name in unread.UNMADE)
here = sqs_backends["123456789012"]["us-east-1"].region_name
with open("/proc/self/statm") as sizes:
    megabytes = int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
asked = len(get_backend("ec2")["123456789012"]["us-east-1"].describe_instance_types())
print(read, here, megabytes, asked)
"""


def test_the_local_aws_starts_without_services_that_the_stack_does_not_make() -> None:
    # WHEN all of moto that the stack uses is imported
    ran = subprocess.run([sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, check=True)
    read, region, megabytes, instances = ran.stdout.split()

    # THEN it has none of EC2's catalogues, which would double its size, and services where the stack is
    assert (read, region) == ("0", "us-east-1")
    assert int(megabytes) < 110

    # AND a request to one that was left out has an answer
    assert int(instances) > 100
