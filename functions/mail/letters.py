"""The two mails there are, as text and as HTML: a confirmation, and a digest of tasks that ended and of alerts.

What tenants wrote (titles, reasons, their own name) stands on one line, bounded, and is escaped in HTML.
"""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from longhaul import settings
from mail.markup import Html, fill
from mail.model import News, Recipient, clean
from mail.provider import Letter
from mail.words import WORDS, Words

MAX_COUNTED, MAX_SHOWN = 500, 30  # tasks of one digest
MAX_SUBJECT = 120  # characters
NBSP = "\N{NO-BREAK SPACE}"  # in HTML a number stays with its word
ORDER = ("critical", "warning", "failed", "expired", "resolved", "succeeded", "cancelled")  # the worst comes first
COLOURS = {
    "succeeded": "#1a7f45",
    "failed": "#c62f2f",
    "expired": "#b25d00",
    "cancelled": "#667085",
    "critical": "#c62f2f",
    "warning": "#b25d00",
    "resolved": "#1a7f45",
}


def confirmation(recipient: Recipient, token: str) -> Letter:
    words = WORDS[recipient.language]
    url = _url("confirm", token)
    named = {"tenant": clean(recipient.tenant_id, 64), "address": recipient.address}
    text = words.confirm_text.format(**named)
    button = fill("button", url=url, label=words.confirm_button)
    body = fill("confirmation", text=text, button=button)
    return Letter(
        subject=clean(words.confirm_subject.format(**named), MAX_SUBJECT),
        text=f"{words.confirm_heading}\n\n{text}\n\n{words.confirm_button}\n{url}\n\n{words.confirm_note}\n",
        html=_frame(words, words.confirm_heading, text, body, fill("note", text=words.confirm_note)),
        headers={"Auto-Submitted": "auto-generated"},
    )


def digest(recipient: Recipient, news: Sequence[News], token: str) -> Letter:
    """Of at most MAX_COUNTED tasks, of which MAX_SHOWN are shown; `token` unsubscribes."""
    words = WORDS[recipient.language]
    ordered = sorted(news, key=lambda one: (_rank(one.event), one.at))
    shown, left = ordered[:MAX_SHOWN], len(ordered) - MAX_SHOWN
    heading = _heading(words, ordered)
    more = words.more.format(left) if left > 0 else ""
    because = words.because.format(tenant=clean(recipient.tenant_id, 64))
    url = _url("unsubscribe", token)
    rows = [_item(words, one) for one in shown] + ([fill("more", text=more)] if more else [])
    text = [clean(heading, 1_000), *(_lines(words, one) for one in shown), *([more] if more else [])]
    footer = fill("unsubscribe", text=because, url=url, label=words.unsubscribe)
    return Letter(
        subject=clean(heading, MAX_SUBJECT),
        text="\n\n".join(text) + f"\n\n-- \n{because}\n{words.unsubscribe}\n{url}\n",
        html=_frame(words, heading, " · ".join(one.title for one in shown[:3]), Html("".join(rows)), footer),
        headers={
            "Auto-Submitted": "auto-generated",
            # One click in the mail program, without the page: https://www.rfc-editor.org/rfc/rfc8058
            "List-Unsubscribe": f"<{url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )


def _frame(words: Words, heading: str, preview: str, body: Html, footer: Html) -> str:
    return fill("letter", lang=words.lang, heading=heading, preview=clean(preview, 140), body=body, footer=footer)


def _heading(words: Words, ordered: Sequence[News]) -> str:
    if len(ordered) == 1:
        return words.one_ended.format(event=_event(words, ordered[0]), title=ordered[0].title)
    counted = Counter(one.event for one in ordered)
    counts = [words.counts[event].format(counted[event]).replace(" ", NBSP) for event in ORDER if counted[event]]
    heading = words.some_news if any(one.alert_id for one in ordered) else words.some_ended
    return heading.format(number=len(ordered), counts=words.joined.join(counts))


def _item(words: Words, one: News) -> Html:
    reason = fill("reason", text=words.reason.format(one.reason)) if one.reason else Html("")
    return fill(
        "item",
        colour=COLOURS.get(one.event, COLOURS["cancelled"]),
        ended=one.event,
        event=_event(words, one),
        title=one.title,
        url=_page_url(one),
        open=words.open_alert if one.alert_id else words.open_task,
        kind=one.kind,
        at=_time(one),
        reason=reason,
    )


def _lines(words: Words, one: News) -> str:
    lines = [words.one_ended.format(event=_event(words, one), title=one.title), f"{one.kind} · {_time(one)}"]
    lines += [words.reason.format(one.reason)] if one.reason else []
    return "\n".join([*lines, _page_url(one)])


def _rank(event: str) -> int:
    return ORDER.index(event) if event in ORDER else len(ORDER)


def _event(words: Words, one: News) -> str:
    return words.events.get(one.event, one.event)


def _time(one: News) -> str:
    return f"{one.at:%Y-%m-%d %H:%M} UTC"


def _url(page: str, token: str) -> str:
    return f"{settings.of(settings.MailLinks).public_url}/api/v1/mail/{page}/{token}"


def _page_url(one: News) -> str:
    links = settings.of(settings.MailLinks)
    return f"{links.public_url}/api/v1/alerts/{one.alert_id}" if one.alert_id else _task_url(links, one.task_id)


def _task_url(links: settings.MailLinks, task_id: str) -> str:
    named = quote(task_id, safe="")
    return links.task_page_url.replace("{task_id}", named) or f"{links.public_url}/api/v1/tasks/{named}"
