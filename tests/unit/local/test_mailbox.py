"""SES on this machine: mails become files, and what SES refuses is refused."""

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.sesv2.responses import SESV2Response

from local.aws import mailbox
from local.aws.http import AwsServer

SENDER = "longhaul@mailbox.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = SESV2Response.send_email
    folder = tmp_path_factory.mktemp("mail")
    mailbox.keep(folder)
    yield folder
    SESV2Response.send_email = before  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def ses(folder: Path) -> Iterator[Any]:
    server = AwsServer()
    server.start()
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("sesv2", region_name="us-east-1", endpoint_url=server.url, **keys)
    client.create_email_identity(EmailIdentity=SENDER)
    yield client
    server.stop()


def send(ses: Any, to: str = "ada@example.com", subject: str = "主题", header: str = "<https://a.example>") -> None:
    ses.send_email(
        FromEmailAddress=f"Longhaul <{SENDER}>",
        Destination={"ToAddresses": [to]},
        Content={
            "Simple": {
                "Subject": {"Data": subject},
                "Body": {"Text": {"Data": "文本"}, "Html": {"Data": "<p>文本</p>"}},
                "Headers": [{"Name": "List-Unsubscribe", "Value": header}],
            }
        },
    )


def test_a_mail_is_a_file_with_all_its_parts(ses: Any, folder: Path) -> None:
    send(ses)
    send(ses, to="bob@example.com")
    first, second = (message_from_bytes(path.read_bytes(), policy=default) for path in sorted(folder.glob("*")))
    assert (first["To"], second["To"]) == ("ada@example.com", "bob@example.com")
    assert (first["From"], first["Subject"]) == (f"Longhaul <{SENDER}>", "主题")
    assert first["List-Unsubscribe"] == "<https://a.example>"
    assert [part.get_content().strip() for part in first.iter_parts()] == ["文本", "<p>文本</p>"]


@pytest.mark.parametrize(
    "wrong",
    [{"to": "阿达@example.com"}, {"subject": "a\r\nBcc: eve@example.com"}, {"header": "a\r\nBcc: eve@example.com"}],
)
def test_what_ses_refuses_is_refused(ses: Any, folder: Path, wrong: dict[str, str]) -> None:
    before = len(list(folder.glob("*")))
    with pytest.raises(ClientError) as refused:
        send(ses, **wrong)
    assert refused.value.response["Error"]["Code"] == "BadRequestException"
    assert len(list(folder.glob("*"))) == before
