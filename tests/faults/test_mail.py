"""E-mail when its sender is killed, and when notices come many times at once."""

import json
from datetime import UTC, datetime
from typing import Any

import pymysql

from local.running import RunningStack, eventually
from tests.faults.test_messages import consumed, send
from tests.observation import Observer

RECIPIENT = f"recipient_{7:032x}"
ADDRESS = "killed@example.com"


def recipient(observer: Observer) -> None:
    """One that has confirmed, to whom nothing is due."""
    observer.sql(
        "INSERT INTO mail_recipients (recipient_id, tenant_id, address, address_key, language, status, confirmed_at, "
        "created_at) VALUES (%s, 'local', %s, %s, 'en', 'confirmed', '2026-11-01', '2026-11-01')",
        RECIPIENT,
        ADDRESS,
        ADDRESS,
    )


def mails(stack: RunningStack) -> list[bytes]:
    texts = [path.read_bytes() for path in sorted(stack.options.mail.glob("*.eml"))]
    return [text for text in texts if f"To: {ADDRESS}".encode() in text]


def delivery(number: int) -> dict[str, Any]:
    """What `publish_notices` sends: the end of a task."""
    data = {"task_id": f"task-{number}", "kind": "waiting", "title": f"no. {number}", "status": "SUCCEEDED"}
    notice = {
        "id": f"{number:016d}.00000000",
        "sequence": f"{number:016d}.00000000",
        "type": "longhaul.task.succeeded",
        "subject": data["task_id"],
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {**data, "attempt": 1, "progress": 100},
    }
    return {"notices": [{"tenant_id": "local", "notice": notice}]}


def test_a_sender_killed_between_the_mail_and_its_note_sends_again(observer: Observer, stack: RunningStack) -> None:
    # GIVEN news that is locked, so that its sender cannot note that it was sent
    recipient(observer)
    before = len(mails(stack))
    news = {"task_id": "t", "kind": "k", "title": "twice", "event": "failed", "at": "2026-12-01T00:00:00Z"}
    observer.sql(
        "INSERT INTO mail_news (recipient_id, notice_id, news, unsent, created_at) "
        "VALUES (%s, '1', %s, 1, UTC_TIMESTAMP(6))",
        RECIPIENT,
        json.dumps(news),
    )
    secret = observer._secret
    holding = pymysql.connect(
        unix_socket=secret["unix_socket"], user=secret["username"], database=secret["dbname"], ssl_disabled=True
    )
    with holding, holding.cursor() as cursor:
        cursor.execute("SELECT id FROM mail_news WHERE recipient_id = %s FOR UPDATE", (RECIPIENT,))
        observer.sql("UPDATE mail_recipients SET due_at = UTC_TIMESTAMP(6)")

        # WHEN it is killed as soon as the mail is there
        eventually(lambda: len(mails(stack)) == before + 1)
        eventually(lambda: stack.kill_worker("SendMail", busy=True))
        holding.rollback()

    # THEN nobody sends it again while its lease lasts
    assert observer.sql("SELECT unsent, due_at > UTC_TIMESTAMP(6) AS leased FROM mail_news, mail_recipients") == [
        {"unsent": 1, "leased": 1}
    ]
    # AND when that has ended it comes once more, and no more
    observer.sql("UPDATE mail_recipients SET due_at = UTC_TIMESTAMP(6)")
    eventually(lambda: len(mails(stack)) == before + 2)
    eventually(lambda: observer.sql("SELECT unsent, due_at FROM mail_news, mail_recipients")[0]["unsent"] is None)
    assert observer.sql("SELECT due_at FROM mail_recipients") == [{"due_at": None}]


def test_notices_that_come_thrice_at_once_are_told_once(observer: Observer, stack: RunningStack) -> None:
    recipient(observer)
    before = len(mails(stack))
    for number in (8, 3, 5):  # out of order too
        send(observer, "MailQueue", delivery(number), times=3)
    consumed(observer, "MailQueue")
    eventually(lambda: len(mails(stack)) > before)
    observer.settle()
    assert len(mails(stack)) == before + 1, "what came behind the first waits for its digest"
    rows = observer.sql("SELECT notice_id FROM mail_news ORDER BY notice_id")
    assert [row["notice_id"] for row in rows] == [f"{number:016d}.00000000" for number in (3, 5, 8)]
    observer.sql("UPDATE mail_recipients SET due_at = UTC_TIMESTAMP(6) WHERE due_at IS NOT NULL")
    eventually(lambda: not observer.sql("SELECT 1 FROM mail_news WHERE unsent = 1"))
    titles = b"".join(mails(stack)[before:])
    assert [titles.count(f"Succeeded: no. {number}\r\nwaiting".encode()) for number in (3, 5, 8)] == [1, 1, 1]
