"""Recipients of e-mail (serve_recipients): confirmation before anything, leaving, limits, tenants."""

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from longhaul import settings
from longhaul.tasks import publication
from mail.model import MAX_RECIPIENTS
from mail.recipients import MAX_OF_ADDRESS, MAX_OF_TENANT, TooManyRecipients, confirm
from mail.recipients import add as ask_one
from mail.recipients import remove as forget_one
from tests.calling import ask, at_once, call, sample
from tests.integration.conftest import forget
from tests.integration.mail.conftest import (
    RECIPIENTS,
    Mailbox,
    add,
    click,
    collect,
    html_of,
    link_of,
    listed,
    notice,
    page,
    remove,
    send,
    statuses,
    text_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]
type Confirmed = Callable[..., str]


def listeners(sql: Sql) -> list[str]:
    return [row["tenant_id"] for row in sql("SELECT tenant_id FROM notice_listeners WHERE channel = 'mail'")]


def suppressed(error: type[Exception], work: Callable[[], object]) -> None:
    with contextlib.suppress(error):
        work()


def test_a_recipient_is_pending_until_it_confirms_by_the_link_of_its_mail(mails: Mailbox, sql: Sql, sent: Sent) -> None:
    status, answer, headers = ask(
        "serve_recipients", "POST", RECIPIENTS, {"address": "Ada@Example.COM", "language": "en"}, domain="mail"
    )
    assert status == 202
    assert (answer["address"], answer["status"], answer["kinds"]) == ("Ada@example.com", "pending", None)
    assert headers["Location"] == f"{RECIPIENTS}/{answer['recipient_id']}"
    assert sent("outbox") == [{"recipient_ids": [answer["recipient_id"]]}]
    assert listeners(sql) == []
    assert send(answer["recipient_id"]) == {"batchItemFailures": []}
    (mail,) = mails.take()
    assert (mail["To"], mail["From"]) == ("Ada@example.com", "Longhaul <longhaul@local.example>")
    assert "acme" in mail["Subject"]
    path = link_of(mail)
    assert f"https://api.example.com{path}" in html_of(mail)

    status, html, headers = page(path)
    assert (status, "<form method" in html, headers["Content-Type"]) == (200, True, "text/html; charset=utf-8")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert statuses() == {"Ada@example.com": "pending"}, "whoever only looks confirms nothing"
    assert click(path) == 200
    assert statuses() == {"Ada@example.com": "confirmed"}
    assert listeners(sql) == ["acme"]
    assert click(path) == 200, "twice is once"
    assert send() == 0


def test_a_token_is_kept_as_its_digest_and_counts_for_a_day(mails: Mailbox, sql: Sql) -> None:
    add("ada@example.com")
    send()
    path = link_of(mails.take()[0])
    token = path.rpartition("/")[2]
    assert len(token) == 43
    assert token not in str(sql("SELECT * FROM mail_tokens"))
    assert click(path.replace(token, token[::-1])) == 404
    assert click(path.replace("confirm", "unsubscribe")) == 404, "each token is for one purpose"
    sql("UPDATE mail_tokens SET expires_at = TIMESTAMPADD(HOUR, -24, expires_at)")
    assert (click(path), page(path)[0]) == (404, 404)
    assert "失效" in page(path, accept_language="zh-CN,zh;q=0.9")[1]
    assert statuses() == {"ada@example.com": "pending"}


def test_nothing_is_sent_before_the_confirmation_but_the_confirmation(mails: Mailbox) -> None:
    add("ada@example.com")
    collect(notice("failed"))
    assert send() == 1
    (mail,) = mails.take()
    path = link_of(mail)
    a_second_ago = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="milliseconds")
    collect(before := notice("failed", at=a_second_ago.replace("+00:00", "Z")))
    click(path)
    collect(before)
    assert send() == 0, "what ended before it confirmed is not told, however late it comes"


def test_whoever_unsubscribes_stays_so_until_it_confirms_again(confirmed: Confirmed, mails: Mailbox, sql: Sql) -> None:
    recipient_id = confirmed()
    collect(notice())
    send()
    mail = mails.take()[0]
    path = link_of(mail, "unsubscribe")
    assert mail["List-Unsubscribe"] == f"<https://api.example.com{path}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    collect(notice())
    assert page(path)[0] == 200
    assert statuses() == {"ada@example.com": "confirmed"}, "a program that follows links unsubscribes nobody"
    assert click(path) == 200
    assert click(path) == 200, "twice is once"
    assert statuses() == {"ada@example.com": "unsubscribed"}
    assert listeners(sql) == []
    collect(notice())
    sql("UPDATE mail_recipients SET due_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND, next_mail_at = NULL")
    assert send() == 0

    status, again = add("ada@example.com", language="zh")
    assert (status, again["recipient_id"], again["status"]) == (202, recipient_id, "pending")
    collect(notice())
    send()
    (mail,) = mails.take()
    assert "请确认" in mail["Subject"]
    click(link_of(mail))
    assert send() == 0, "what it was not told then it is not told now"
    collect(notice(title="后来"))
    assert send() == 1
    assert "后来" in text_of(mails.take()[0])


def test_unsubscribing_voids_the_links_that_confirm(confirmed: Confirmed, mails: Mailbox) -> None:
    confirmed("ada@example.com")
    collect(notice())
    send()
    leave = link_of(mails.take()[0], "unsubscribe")
    click(leave)
    add("ada@example.com")
    send()
    old = link_of(mails.take()[0])
    click(leave)
    assert click(old) == 404
    assert statuses() == {"ada@example.com": "unsubscribed"}


def test_the_last_to_leave_ends_the_listening(confirmed: Confirmed, mails: Mailbox, sql: Sql) -> None:
    ada, bob = confirmed("ada@example.com"), confirmed("bob@example.com")
    other = confirmed("eve@example.com", tenant="globex")
    assert remove(ada, tenant="globex") == 404
    assert remove(ada) == 200
    assert remove(ada) == 404
    assert sorted(listeners(sql)) == ["acme", "globex"]
    assert remove(bob) == 200
    assert listeners(sql) == ["globex"]
    assert remove(other, tenant="globex") == 200
    assert listeners(sql) == []
    assert sql("SELECT 1 FROM mail_tokens") == []


def test_one_who_confirms_while_the_last_one_leaves_is_heard(
    confirmed: Confirmed, mails: Mailbox, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = confirmed("ada@example.com")
    add("bob@example.com")
    send()
    token = link_of(mails.take()[-1]).rpartition("/")[2]
    confirming = threading.Thread(target=lambda: at_once(1, lambda: confirm(token)))
    stop = publication.stop_listening

    def late(*arguments: Any) -> None:
        """It has found that nobody is left; one who confirms now has to wait for its end."""
        confirming.start()
        confirming.join(0.5)
        stop(*arguments)

    monkeypatch.setattr(publication, "stop_listening", late)
    forget_one("acme", leaving)
    confirming.join()
    assert statuses() == {"bob@example.com": "confirmed"}
    assert listeners(sql) == ["acme"]


def test_an_address_that_is_there_is_the_same_recipient(confirmed: Confirmed, mails: Mailbox, sent: Sent) -> None:
    recipient_id = confirmed("ada@example.com")
    sent("outbox")
    status, changed = add("ADA@EXAMPLE.COM", language="zh", kinds=["hospital_full_refresh"])
    assert (status, changed["recipient_id"]) == (200, recipient_id)
    assert (changed["language"], changed["kinds"], changed["status"]) == ("zh", ["hospital_full_refresh"], "confirmed")
    assert (sent("outbox"), send(), len(listed())) == ([], 0, 1)
    assert add("ada@example.com", tenant="globex")[1]["recipient_id"] != recipient_id


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"address": "ada", "language": "en"}, "/address"),
        ({"address": "ada@localhost", "language": "en"}, "/address"),
        ({"address": "阿达@example.com", "language": "en"}, "/address"),
        ({"address": "ada@example.com\r\nBcc: eve@example.com", "language": "en"}, "/address"),
        ({"address": "Ada <ada@example.com>", "language": "en"}, "/address"),
        ({"address": "ada@example.com,eve@example.com", "language": "en"}, "/address"),
        ({"address": "ada@example.com"}, "/language"),
        ({"address": "ada@example.com", "language": "de"}, "/language"),
        ({"address": "ada@example.com", "language": "en", "kinds": []}, "/kinds"),
        ({"address": "ada@example.com", "language": "en", "colour": "red"}, "/colour"),
    ],
)
def test_what_does_not_fit_is_refused(mails: Mailbox, body: dict[str, Any], pointer: str) -> None:
    status, problem, _ = ask("serve_recipients", "POST", RECIPIENTS, body, domain="mail")
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    assert listed() == []


def test_an_unknown_kind_is_refused(mails: Mailbox) -> None:
    status, problem = add("ada@example.com", kinds=["hospital_refresh"])
    assert (status, problem["code"]) == (422, "unknown_kind")


def test_an_address_is_asked_so_often_an_hour(mails: Mailbox, sql: Sql) -> None:
    """Also by several tenants, and if it is removed and added again."""
    for number in range(MAX_OF_ADDRESS):
        _, answer = add("Ada@example.com", tenant=f"tenant-{number % 2}")
        if number % 2:
            assert remove(answer["recipient_id"], tenant="tenant-1") == 200
    status, problem, headers = ask(
        "serve_recipients", "POST", RECIPIENTS, {"address": "ada@example.com", "language": "en"}, domain="mail"
    )
    assert (status, problem["code"], problem["retryable"]) == (429, "too_many_confirmations", True)
    assert 3500 < int(headers["Retry-After"]) <= 3601  # the embedded engine's clock may go back
    assert listed() == [], "a refusal leaves nothing"
    assert add("bob@example.com")[0] == 202
    sql("UPDATE mail_quotas SET began_at = TIMESTAMPADD(HOUR, -1, began_at)")
    assert add("ada@example.com")[0] == 202
    assert sorted(row["used"] for row in sql("SELECT used FROM mail_quotas")) == [1, 1, 1, 2, 3], "an hour anew"


def test_a_tenant_asks_so_many_an_hour(mails: Mailbox, sql: Sql) -> None:
    add("ada@example.com")
    sql("UPDATE mail_quotas SET used = %s WHERE used = 1", MAX_OF_TENANT)
    status, problem = add("bob@example.com")
    assert (status, problem["code"]) == (429, "too_many_confirmations")
    assert add("bob@example.com", tenant="globex")[0] == 202


def test_a_tenant_has_so_many_recipients(mails: Mailbox, sql: Sql) -> None:
    first = add("ada@example.com")[1]
    values = ", ".join(
        f"('recipient_{number:032x}', 'acme', 'x{number}@y.com', 'x{number}@y.com', 'en', 'pending', UTC_TIMESTAMP(6))"
        for number in range(MAX_RECIPIENTS - 2)
    )
    columns = "recipient_id, tenant_id, address, address_key, language, status, created_at"
    sql(f"INSERT INTO mail_recipients ({columns}) VALUES {values}")
    names = iter(f"bob{number}@example.com" for number in range(4))
    at_once(4, lambda: suppressed(TooManyRecipients, partial(ask_one, "acme", next(names), "en", None)))
    assert len(listed()) == MAX_RECIPIENTS
    assert add("eve@example.com")[1]["code"] == "too_many_recipients"
    assert add("ada@example.com")[1]["recipient_id"] == first["recipient_id"], "one that is there may be asked again"


def test_the_same_address_at_once_is_one_recipient(mails: Mailbox, sql: Sql) -> None:
    at_once(3, lambda: ask_one("acme", "ada@example.com", "en", None))
    assert len(listed()) == 1
    assert [row["used"] for row in sql("SELECT used FROM mail_quotas")] == [3, 3]


def test_a_request_that_is_sent_again_asks_nobody_again(mails: Mailbox) -> None:
    first = add("ada@example.com", key="k1")
    send()
    assert first[0] == 202
    assert add("ada@example.com", key="k1")[0] == 200
    assert send() == 0
    assert add("bob@example.com", key="k1")[1]["code"] == "idempotency_key_reused"
    recipient_id = first[1]["recipient_id"]
    assert remove(recipient_id, idempotency_key="k2") == 200
    assert remove(recipient_id, idempotency_key="k2") == 200


def test_a_tenant_sees_its_own(mails: Mailbox) -> None:
    recipient_id = add("ada@example.com")[1]["recipient_id"]
    path = f"{RECIPIENTS}/{recipient_id}"
    status, found, headers = ask("serve_recipients", "GET", path, domain="mail")
    assert (status, found["address"]) == (200, "ada@example.com")
    assert ask("serve_recipients", "GET", path, domain="mail", if_none_match=headers["ETag"])[0] == 304
    assert ask("serve_recipients", "GET", path, domain="mail", tenant="globex")[0] == 404
    assert listed("globex") == []


def test_a_deployment_without_a_sender_says_so(mails: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    add("ada@example.com")
    monkeypatch.setenv("MAIL_FROM", "")
    settings.of.cache_clear()
    try:
        status, problem = add("bob@example.com")
        assert (status, problem["code"]) == (409, "mail_not_sent")
        assert "MailFrom" in problem["detail"]
        assert ask("serve_recipients", "GET", RECIPIENTS, domain="mail")[0] == 409
        assert (send(), mails.take()) == (0, [])
    finally:
        monkeypatch.undo()
        forget()


def test_the_sample_events_are_taken(mails: Mailbox) -> None:
    assert call("mail", "serve_recipients", sample("mail", "serve_recipients"))["statusCode"] == 202
    assert call("mail", "send_mail", sample("mail", "send_mail")) == {"batchItemFailures": []}
    assert call("mail", "collect_notices", sample("mail", "collect_notices")) == {"batchItemFailures": []}
