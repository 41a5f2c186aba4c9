"""E-mail on a real database, with moto's SES, whose mails become files."""

import itertools
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from local.aws import mailbox
from local.options import MAIL_FROM
from longhaul.tasks.model import Status
from longhaul.tasks.notices import PREFIX, Addressed, Delivery, Notice, NoticeData, sequence_of
from tests.calling import ask, call, records

RECIPIENTS = "/api/v1/mail/recipients"
_numbers = itertools.count(1)


class Mailbox:
    """The mails that were sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def mails(self) -> list[EmailMessage]:
        found = []
        for path in sorted(self._folder.glob("*.eml")):
            mail = message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(mail, EmailMessage)
            found.append(mail)
        return found

    def take(self) -> list[EmailMessage]:
        """The mails since the last time."""
        mails = self.mails
        for path in self._folder.glob("*.eml"):
            path.unlink()
        return mails


@pytest.fixture(scope="session")
def folder(moto_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = tmp_path_factory.mktemp("mail")
    mailbox.keep(kept)
    return kept


@pytest.fixture
def mails(database: dict[str, Any], folder: Path) -> Iterator[Mailbox]:
    """An empty mailbox, and a sender that is verified."""
    boto3.client("sesv2").create_email_identity(EmailIdentity=MAIL_FROM)
    box = Mailbox(folder)
    box.take()
    yield box
    box.take()


@pytest.fixture
def confirmed(mails: Mailbox) -> Callable[..., str]:
    """Makes a recipient that has confirmed by the link of its mail; its id. The mailbox is empty then."""

    def make(address: str = "ada@example.com", tenant: str = "acme", **more: Any) -> str:
        recipient_id = add(address, tenant=tenant, **more)[1]["recipient_id"]
        send()
        assert click(link_of(mails.take()[-1])) == 200
        return str(recipient_id)

    return make


def add(address: str, *, tenant: str = "acme", language: str = "en", **more: Any) -> tuple[int, dict[str, Any]]:
    headers = {"idempotency_key": key} if (key := more.pop("key", None)) else {}
    body = {"address": address, "language": language, **more}
    status, answer, _ = ask("serve_recipients", "POST", RECIPIENTS, body, domain="mail", tenant=tenant, **headers)
    return status, answer


def listed(tenant: str = "acme") -> list[dict[str, Any]]:
    status, answer, _ = ask("serve_recipients", "GET", RECIPIENTS, domain="mail", tenant=tenant)
    assert status == 200, answer
    items: list[dict[str, Any]] = answer["items"]
    return items


def statuses(tenant: str = "acme") -> dict[str, str]:
    return {one["address"]: one["status"] for one in listed(tenant)}


def remove(recipient_id: str, *, tenant: str = "acme", **headers: str) -> int:
    return ask("serve_recipients", "DELETE", f"{RECIPIENTS}/{recipient_id}", domain="mail", tenant=tenant, **headers)[0]


def send(*recipient_ids: str) -> Any:
    """Let `send_mail` send all that is due, or what is due to these.

    The embedded engine's clock stands still for 10 ms at times, by which it differs from one connection to another.
    """
    time.sleep(0.02)
    if recipient_ids:
        return call("mail", "send_mail", records({"recipient_ids": list(recipient_ids)}))
    return call("mail", "send_mail", {"source": "aws.events"})["sent"]


def collect(*notices: Addressed) -> None:
    delivery = Delivery(notices=list(notices)).model_dump(mode="json")
    assert call("mail", "collect_notices", records(delivery)) == {"batchItemFailures": []}


def page(path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    """A page of a mail's link: status, HTML, headers."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
            "requestId": "gateway-1",
            "stage": "$default",
        },
        "body": "List-Unsubscribe=One-Click" if method == "POST" else None,
        "isBase64Encoded": False,
    }
    answer = call("mail", "serve_recipients", event)
    return answer["statusCode"], answer["body"], answer["headers"]


def click(path: str) -> int:
    """The status of a page's button."""
    return page(path, "POST", content_type="application/x-www-form-urlencoded")[0]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def link_of(mail: EmailMessage, name: str = "confirm") -> str:
    """The path of the mail's link to this page."""
    (url,) = set(re.findall(rf"https?://\S+/mail/{name}/[\w-]+", text_of(mail)))
    return urlsplit(url).path


def notice(event: str = "succeeded", tenant: str = "acme", **more: Any) -> Addressed:
    """A notice that is newer than all before it."""
    number = next(_numbers)
    sequence = sequence_of(more.pop("number", number))
    moment = more.pop("at", None) or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data: dict[str, Any] = {
        "task_id": f"province_广东省_20261201_020000_{number:08x}",
        "kind": "hospital_province_refresh",
        "title": f"task {number}",
        "status": Status.SUCCEEDED,
        "attempt": 1,
        "progress": 100,
        **more,
    }
    told = Notice(
        id=sequence,
        type=PREFIX + event,
        subject=data["task_id"],
        time=moment,
        sequence=sequence,
        data=NoticeData(**data),
    )
    return Addressed(tenant_id=tenant, notice=told)
