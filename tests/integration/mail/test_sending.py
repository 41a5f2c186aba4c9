"""What recipients are told, and when (collect_notices, send_mail): ends, once, the first at once, then a digest."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from local.options import MAIL_FROM
from longhaul import aws
from longhaul.errors import ProviderUnavailable
from longhaul.tasks import lifecycle, publication
from longhaul.tasks.model import Task
from longhaul.tasks.notices import Delivery
from mail import sending
from mail.collecting import collect as collect_all
from mail.letters import MAX_COUNTED, MAX_SHOWN
from mail.messages import Wakeup
from tests.calling import at_once, call
from tests.integration.mail.conftest import (
    Mailbox,
    add,
    click,
    collect,
    html_of,
    link_of,
    notice,
    send,
    statuses,
    text_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]
type Confirmed = Callable[..., str]


class Ses:
    """Stands for SES where it refuses: what it answers, and how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.url = ""
        self.status, self.code, self.message, self.requests = 0, "", "", 0

    def refuse(self, status: int, code: str, message: str = "slow down", *, url: str = "") -> None:
        """From now on this is what the functions are answered; or nothing, if nobody listens at `url`."""
        self.status, self.code, self.message = status, code, message
        self._monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", url or self.url)
        aws._client.cache_clear()

    def recover(self) -> None:
        self._monkeypatch.delenv("AWS_ENDPOINT_URL_SESV2")
        aws._client.cache_clear()


@pytest.fixture
def ses(mails: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ses]:
    ses = Ses(monkeypatch)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            ses.requests += 1
            body = json.dumps({"message": ses.message}).encode()
            self.send_response(ses.status)
            self.send_header("x-amzn-ErrorType", ses.code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ses.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield ses
    server.shutdown()
    server.server_close()
    aws._client.cache_clear()


def due(sql: Sql) -> list[Any]:
    """In how many seconds something is due to each recipient, the oldest recipient first."""
    rows = sql("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), due_at) AS s FROM mail_recipients ORDER BY created_at")
    return [row["s"] for row in rows]


def pass_minutes(sql: Sql, minutes: int) -> None:
    for column in ("due_at", "next_mail_at"):
        sql(f"UPDATE mail_recipients SET {column} = TIMESTAMPADD(MINUTE, -%s, {column})", minutes)


def test_the_first_is_told_at_once_and_then_a_digest_every_15_minutes(
    confirmed: Confirmed, mails: Mailbox, sql: Sql, sent: Sent
) -> None:
    recipient_id = confirmed()
    sent("outbox")
    collect(notice("failed", title="一号任务", detail={"error": "no <JSON>"}))
    assert sent("outbox") == [{"recipient_ids": [recipient_id]}]
    assert send(recipient_id) == {"batchItemFailures": []}
    (mail,) = mails.take()
    assert mail["Subject"] == "Failed: 一号任务"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "Reason: no <JSON>" in text_of(mail)
    assert "no &lt;JSON&gt;" in html_of(mail)

    collect(notice(title="two"), notice("cancelled", title="three"))
    collect(notice("expired", title="four"))
    assert sent("outbox") == [], "nothing is due yet"
    assert (send(recipient_id), send(), mails.take()) == ({"batchItemFailures": []}, 0, [])
    assert 880 <= due(sql)[0] <= 900
    pass_minutes(sql, 14)
    assert send() == 0
    pass_minutes(sql, 1)
    assert send() == 1
    (mail,) = mails.take()
    assert mail["Subject"] == "3 tasks have ended: 1 ran out of time, 1 succeeded, 1 cancelled"
    assert "一号任务" not in text_of(mail)
    assert (send(), due(sql)) == (0, [None])

    pass_minutes(sql, 15)
    collect(notice(title="five"))
    assert sent("outbox") == [{"recipient_ids": [recipient_id]}], "after a pause the next is a first again"


def test_a_notice_that_comes_again_is_told_once(confirmed: Confirmed, mails: Mailbox, sql: Sql) -> None:
    confirmed()
    confirmed("bob@example.com", language="zh")
    told = notice()
    collect(told, told)
    collect(told)
    assert send() == 2
    assert sorted(mail["Subject"][:3] for mail in mails.take()) == ["Suc", "成功："]
    pass_minutes(sql, 60)
    collect(told)
    assert (send(), due(sql)) == (0, [None, None])
    assert sql("SELECT COUNT(*) AS n FROM mail_news") == [{"n": 2}]


@pytest.mark.parametrize("event", ["started", "progress", "paused", "resumed", "retried", "requeued", "recovered"])
def test_only_ends_are_told(confirmed: Confirmed, sql: Sql, event: str) -> None:
    confirmed()
    collect(notice(event))
    assert (sql("SELECT 1 FROM mail_news"), due(sql)) == ([], [None])


def test_a_recipient_is_told_of_its_kinds_and_its_tenant_only(confirmed: Confirmed, mails: Mailbox) -> None:
    confirmed("ada@example.com", kinds=["hospital_full_refresh"])
    confirmed("eve@example.com", tenant="globex")
    collect(notice(title="province"))
    assert send() == 0
    collect(notice(title="full", kind="hospital_full_refresh"), notice(title="hers", tenant="globex"))
    assert send() == 2
    assert {mail["To"]: mail["Subject"] for mail in mails.take()} == {
        "ada@example.com": "Succeeded: full",
        "eve@example.com": "Succeeded: hers",
    }


def test_a_tasks_end_reaches_the_mailbox(
    confirmed: Confirmed, mails: Mailbox, running_task: Callable[..., Task], sent: Sent
) -> None:
    """From its transition through publication, with the messages that are really sent."""
    confirmed()
    task = running_task(province="浙江省")
    lifecycle.cancel(task.task_id, task.tenant_id)
    for message in sent("notices"):
        publication.publish(message["task_ids"])
    deliveries = sent("mail")
    assert {one["notice"]["type"] for d in deliveries for one in d["notices"]} >= {"longhaul.task.cancelled"}
    collect_all(Delivery.model_validate(message) for message in deliveries)
    assert send() == 1
    (mail,) = mails.take()
    assert mail["Subject"] == f"Cancelled: {task.title}"
    assert "/api/v1/tasks/province_%E6%B5%99" in text_of(mail)


def test_two_senders_at_once_send_one_mail(confirmed: Confirmed, mails: Mailbox) -> None:
    recipient_id = confirmed()
    collect(notice())
    at_once(4, lambda: sending.send_to(Wakeup(recipient_ids=[recipient_id])))
    assert len(mails.take()) == 1


def test_a_sender_that_dies_is_made_up_for_when_its_lease_ends(
    confirmed: Confirmed, mails: Mailbox, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipient_id = confirmed()
    collect(notice(title="told twice"))
    with monkeypatch.context() as patch:
        patch.setattr(sending.store, "finish_sending", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sending.send_to(Wakeup(recipient_ids=[recipient_id]))
    assert len(mails.take()) == 1
    assert send() == 0, "its lease holds"
    pass_minutes(sql, 2)
    assert send() == 1
    assert "told twice" in mails.take()[0]["Subject"]
    pass_minutes(sql, 60)
    assert send() == 0


def test_what_comes_while_a_mail_is_sent_is_told_by_the_next(
    confirmed: Confirmed, mails: Mailbox, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed()
    collect(notice(title="first"))
    send_now = sending.provider.send

    def slow(*arguments: Any) -> None:
        send_now(*arguments)
        collect_all([Delivery(notices=[notice(title="second")])])

    with monkeypatch.context() as patch:
        patch.setattr(sending.provider, "send", slow)
        assert send() == 1
    assert 880 <= due(sql)[0] <= 900
    pass_minutes(sql, 15)
    assert send() == 1
    assert [mail["Subject"] for mail in mails.take()] == ["Succeeded: first", "Succeeded: second"]


def test_a_sender_that_comes_late_notes_nothing(
    confirmed: Confirmed, mails: Mailbox, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipient unsubscribes and confirms anew meanwhile: what is due to it then stays due."""
    recipient_id = confirmed()
    collect(notice(title="first"))
    send_now = sending.provider.send

    def slow(*arguments: Any) -> None:
        send_now(*arguments)
        click(link_of(mails.mails[-1], "unsubscribe"))
        sql("UPDATE mail_recipients SET status = 'confirmed', confirmed_at = UTC_TIMESTAMP(6), next_mail_at = NULL")
        collect_all([Delivery(notices=[notice(title="second")])])

    with monkeypatch.context() as patch:
        patch.setattr(sending.provider, "send", slow)
        sending.send_to(Wakeup(recipient_ids=[recipient_id]))
    assert send() == 1
    assert mails.take()[-1]["Subject"] == "Succeeded: second"


def test_a_sender_that_fails_late_puts_nothing_off(
    confirmed: Confirmed, mails: Mailbox, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease has ended meanwhile, and another has sent."""
    recipient_id = confirmed()
    collect(notice())
    send_now = sending.provider.send

    def slow(*_: Any) -> None:
        monkeypatch.setattr(sending.provider, "send", send_now)
        pass_minutes(sql, 2)
        assert sending.send_to(Wakeup(recipient_ids=[recipient_id])) == 1
        raise ProviderUnavailable

    monkeypatch.setattr(sending.provider, "send", slow)
    assert sending.send_to(Wakeup(recipient_ids=[recipient_id])) == 0
    assert sql("SELECT due_at, failures FROM mail_recipients") == [{"due_at": None, "failures": 0}]
    assert len(mails.take()) == 1


def test_an_outage_is_waited_out_longer_and_longer(confirmed: Confirmed, mails: Mailbox, sql: Sql, ses: Ses) -> None:
    confirmed()
    confirmed("bob@example.com")
    collect(notice())
    ses.refuse(0, "", url="http://127.0.0.1:9")  # nobody listens there
    for pause in (30, 60, 120):
        assert send() == 0
        assert [pause - 10 < seconds <= pause for seconds in due(sql)] == [True, True]
        pass_minutes(sql, 5)
    ses.recover()
    assert send() == 2
    assert len(mails.take()) == 2
    assert [row["failures"] for row in sql("SELECT failures FROM mail_recipients")] == [0, 0]


def test_throttling_ends_the_run(mails: Mailbox, sql: Sql, ses: Ses) -> None:
    add("ada@example.com")
    add("bob@example.com")
    ses.refuse(429, "TooManyRequestsException")
    assert send() == 0
    asked = ses.requests
    assert sorted(seconds > 0 for seconds in due(sql)) == [False, True], "one was tried, and put off"
    send()
    assert ses.requests == 2 * asked
    assert set(statuses().values()) == {"pending"}
    ses.recover()
    pass_minutes(sql, 1)
    assert send() == 2


def test_an_address_that_ses_refuses_is_marked_with_the_reason(mails: Mailbox, sql: Sql, ses: Ses) -> None:
    add("ada@example.com")
    ses.refuse(400, "MessageRejected", "Address is\non the\u202e suppression list")
    assert send() == 0
    assert statuses() == {"ada@example.com": "rejected"}
    assert sql("SELECT reason, due_at FROM mail_recipients") == [
        {"reason": "Address is on the suppression list", "due_at": None}
    ]
    assert send() == 0
    ses.recover()
    assert add("ada@example.com")[1]["status"] == "pending", "it may be asked again"
    assert send() == 1


def test_the_last_to_be_refused_ends_the_listening(confirmed: Confirmed, sql: Sql, ses: Ses) -> None:
    confirmed()
    collect(notice())
    assert sql("SELECT channel FROM notice_listeners") == [{"channel": "mail"}]
    ses.refuse(400, "BadRequestException")
    send()
    assert statuses() == {"ada@example.com": "rejected"}
    assert sql("SELECT channel FROM notice_listeners") == []
    assert sql("SELECT 1 FROM mail_news WHERE unsent = 1") == []


def test_a_sender_that_is_not_verified_is_no_recipients_fault(mails: Mailbox, sql: Sql, warnings: list[str]) -> None:
    boto3.client("sesv2").delete_email_identity(EmailIdentity=MAIL_FROM)
    add("ada@example.com")
    assert send() == 0
    assert statuses() == {"ada@example.com": "pending"}
    assert "SES takes no mail from this deployment" in warnings
    assert due(sql)[0] > 0


def test_a_long_digest_shows_some_and_counts_all(confirmed: Confirmed, mails: Mailbox, sql: Sql) -> None:
    confirmed()
    notices = [notice("failed" if number == 50 else "succeeded", title=f"no. {number}") for number in range(60)]
    for first in range(0, 60, 10):
        collect(*notices[first : first + 10])
    assert send() == 1
    (mail,) = mails.take()
    assert mail["Subject"] == "60 tasks have ended: 1 failed, 59 succeeded"
    text = text_of(mail)
    assert text.index("no. 50") < text.index("no. 0\n"), "what went wrong comes first"
    assert f"And {60 - MAX_SHOWN} more." in text
    assert MAX_COUNTED >= 60
    pass_minutes(sql, 15)
    assert send() == 0


def test_old_rows_are_purged(confirmed: Confirmed, mails: Mailbox, sql: Sql) -> None:
    confirmed()
    collect(notice())
    send()
    sql("UPDATE mail_news SET created_at = TIMESTAMPADD(DAY, -31, created_at)")
    sql("UPDATE mail_tokens SET expires_at = TIMESTAMPADD(DAY, -181, expires_at)")
    sql("UPDATE mail_quotas SET began_at = TIMESTAMPADD(HOUR, -2, began_at)")
    send()
    for table in ("mail_news", "mail_tokens", "mail_quotas"):
        assert sql(f"SELECT 1 FROM {table}") == [], table


def test_a_message_that_cannot_be_read_is_reported(mails: Mailbox) -> None:
    answer = call("mail", "send_mail", {"Records": [{"messageId": "m0", "body": "{}"}]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
