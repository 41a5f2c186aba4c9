"""The receiver of docs/live.md, run as it is written: it takes what we sign and refuses all else."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from local.machine import free_port
from local.options import ROOT
from local.running import eventually
from webhooks.model import Outcome
from webhooks.posting import post
from webhooks.signing import headers, new_secret

BODY = b'{"type":"longhaul.task.succeeded","subject":"task-7","sequence":"0000000000000007.00000000"}'
SECRET = new_secret()


@pytest.fixture
def receiver(database: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program of the page, with its secret and its port."""
    page = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    section = page[page.index("\n## Webhooks\n") : page.index("\n## E-mail\n")]
    (program,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    port = free_port()
    given = f"SECRET, PORT = {SECRET!r}, {port}\n"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", given + program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process, port
    process.kill()
    process.communicate()


def send(port: int, *, secret: str = SECRET, body: bytes = BODY, age: int = 0) -> Outcome:
    signed = headers("msg_7", int(time.time()) - age, BODY, [secret])
    return post(f"http://127.0.0.1:{port}/", body, signed | {"Content-Type": "application/json"})


def test_the_receiver_of_the_page_verifies_what_is_posted(receiver: tuple[subprocess.Popen[str], int]) -> None:
    # GIVEN the receiver, which is ready after a moment
    process, port = receiver
    eventually(lambda: send(port).succeeded, 30)

    # THEN it has read what we told it
    assert process.stdout is not None
    assert process.stdout.readline().split() == [
        "msg_7", "longhaul.task.succeeded", "task-7", "0000000000000007.00000000"
    ]  # fmt: skip

    # AND takes nothing that another signed, that was changed or is old
    assert not send(port, secret=new_secret()).succeeded
    assert not send(port, body=BODY.replace(b"task-7", b"task-8")).succeeded
    assert not send(port, age=600).succeeded
    assert send(port).succeeded
