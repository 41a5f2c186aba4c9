"""E-mail on the running stack: confirmed by the link of a mail, told of a task's end, and left by a link.

(ServeRecipients, CollectNotices, SendMail)
"""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from local.options import MAIL_FROM
from local.running import eventually
from tests.observation import Observer

RECIPIENTS = "/api/v1/mail/recipients"


class Mailbox:
    """The mails that the stack sends to an address from now on."""

    def __init__(self, observer: Observer, address: str) -> None:
        self._observer, self._address = observer, address
        self._before = set(observer.stack.options.mail.glob("*.eml"))  # by tests before this one

    @property
    def mails(self) -> list[EmailMessage]:
        found = []
        for path in sorted(set(self._observer.stack.options.mail.glob("*.eml")) - self._before):
            mail = message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(mail, EmailMessage)
            if mail["To"] == self._address:
                found.append(mail)
        return found

    def wait(self, number: int) -> EmailMessage:
        """The mail of this number, from 1, when it has come."""
        eventually(lambda: len(self.mails) >= number)
        return self.mails[number - 1]

    def post(self, mail: EmailMessage, page: str) -> int:
        """Open the link of a mail to this page, and press its button."""
        part = mail.get_body(("plain",))
        assert part is not None
        (url,) = set(re.findall(rf"https?://\S+/mail/{page}/[\w-]+", part.get_content()))
        path = url.removeprefix(self._observer.stack.url)
        shown = self._observer.request("GET", path, token="")
        assert (shown.status, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b'<form method="post">' in shown.body
        return self._observer.request("POST", path, token="").status


def add(observer: Observer, address: str, tenant: str) -> Mailbox:
    """A recipient of the tenant that has confirmed."""
    token = observer.stack.token(tenant)
    body = {"address": address, "language": "zh"}
    box = Mailbox(observer, address)
    answer = observer.request("POST", RECIPIENTS, json=body, token=token)
    assert (answer.status, answer.json()["status"]) == (202, "pending")
    mail = box.wait(1)
    assert mail["From"] == f"Longhaul <{MAIL_FROM}>"
    assert box.post(mail, "confirm") == 200
    listed = observer.request("GET", RECIPIENTS, token=token).json()["items"]
    assert {one["address"]: one["status"] for one in listed} == {address: "confirmed"}
    return box


def end(observer: Observer, title: str) -> str:
    """A task of the tenant `local` that has ended."""
    made = observer.post("/api/v1/tasks", {"kind": "waiting", "params": {"items": 1}, "title": title})
    assert observer.ended(made["task_id"])["status"] == "SUCCEEDED"
    return str(made["task_id"])


def test_who_confirmed_is_told_of_an_end_until_it_unsubscribes(observer: Observer) -> None:
    # GIVEN a recipient of the tenant and one of another, both confirmed by the links of their mails
    ada, eve = add(observer, "ada@example.com", "local"), add(observer, "eve@example.com", "globex")

    # WHEN a task of the tenant ends
    task_id = end(observer, "第一个")

    # THEN one mail says so, with a link to the task
    mail = ada.wait(2)
    assert mail["Subject"] == "成功：第一个"
    part = mail.get_body(("html",))
    assert part is not None
    assert f'href="{observer.stack.url}/api/v1/tasks/{task_id}"' in part.get_content()

    # AND after it has unsubscribed nothing more is kept for it
    assert ada.post(mail, "unsubscribe") == 200
    end(observer, "第二个")
    # AND the other tenant, to whom something of its own would be told, has heard nothing
    eventually(lambda: not observer.sql("SELECT 1 FROM task_events WHERE unsent = 1"))
    observer.settle()
    assert observer.sql("SELECT COUNT(*) AS n FROM mail_news") == [{"n": 1}]
    assert (len(ada.mails), len(eve.mails)) == (2, 1)


def test_a_mail_that_was_not_sent_at_once_is_sent_by_the_sweep(observer: Observer) -> None:
    """The wakeup is lost: the minute's schedule finds what is due."""
    box = Mailbox(observer, "bob@example.com")
    observer.sql(
        "INSERT INTO mail_recipients (recipient_id, tenant_id, address, address_key, language, status, due_at, "
        "created_at) VALUES (%s, 'local', 'bob@example.com', 'bob@example.com', 'en', 'pending', UTC_TIMESTAMP(6), "
        "UTC_TIMESTAMP(6))",
        f"recipient_{7:032x}",
    )
    assert box.wait(1)["Subject"] == "Please confirm: e-mail about tasks of local"
