"""Mails and pages as they are written: in both languages, escaped, bounded, with the links that they need."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from longhaul import settings
from mail import letters, pages
from mail.markup import Html, fill
from mail.model import Language, News, Purpose, Recipient, RecipientStatus
from mail.words import WORDS

TOKEN = "kq3V0pS1m5y7XbJt2cWlNfD8hGzR4uAeOiLxPyQ6vTs"
EVIL = "<script>alert('\"&')</script>"


class Reader(HTMLParser):
    """The tags, the links and the text of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_data(self, data: str) -> None:
        self.text += data.replace(letters.NBSP, " ")


@pytest.fixture(autouse=True)
def links(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("PUBLIC_URL", "https://api.example.com")
    monkeypatch.setenv("TASK_PAGE_URL", "")
    settings.of.cache_clear()
    yield monkeypatch
    settings.of.cache_clear()


def recipient(language: Language = "en", tenant: str = "acme") -> Recipient:
    return Recipient(
        recipient_id="recipient_1",
        tenant_id=tenant,
        address="ada@example.com",
        address_key="ada@example.com",
        language=language,
        kinds=None,
        status=RecipientStatus.CONFIRMED,
        reason=None,
        claims=1,
        failures=0,
        confirmed_at=None,
        created_at=datetime(2026, 12, 1, tzinfo=UTC),
    )


def news(event: str = "failed", title: str = "广东省刷新", reason: str = "no answer", number: int = 0) -> News:
    at = datetime(2026, 12, 1, 2, number % 60, tzinfo=UTC)
    return News(task_id=f"省/{number}", kind="refresh", title=title, event=event, reason=reason, at=at)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_text_and_html_say_the_same(language: Language) -> None:
    words = WORDS[language]
    letter = letters.digest(recipient(language), [news(number=1), news("succeeded", "two", "", 2)], TOKEN)
    read = Reader(letter.html)
    assert f'lang="{words.lang}"' in letter.html
    unsubscribe = f"https://api.example.com/api/v1/mail/unsubscribe/{TOKEN}"
    tasks = [f"https://api.example.com/api/v1/tasks/%E7%9C%81%2F{number}" for number in (1, 2)]
    assert read.links == [*tasks, unsubscribe]
    for text in (letter.text, read.text):
        for said in (letter.subject, "广东省刷新", "two", words.reason.format("no answer"), "2026-12-01 02:01 UTC"):
            assert said in text
    assert all(link in letter.text for link in read.links)
    assert letter.headers["List-Unsubscribe"] == f"<{unsubscribe}>"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_confirmation_has_one_link_and_nothing_to_unsubscribe_from(language: Language) -> None:
    letter = letters.confirmation(recipient(language), TOKEN)
    url = f"https://api.example.com/api/v1/mail/confirm/{TOKEN}"
    assert Reader(letter.html).links == [url]
    assert url in letter.text
    assert "List-Unsubscribe" not in letter.headers
    assert "acme" in letter.subject


def test_what_tenants_wrote_is_escaped_everywhere() -> None:
    who = recipient(tenant=EVIL)
    documents = [
        letters.digest(who, [news(title=EVIL, reason=EVIL)], TOKEN).html,
        letters.confirmation(who, TOKEN).html,
        *(made(who, purpose) for made in (pages.question, pages.done) for purpose in Purpose),
    ]
    for html in documents:
        assert "script" not in Reader(html).tags
        assert EVIL in Reader(html).text
        assert EVIL not in html


def test_a_blank_is_escaped_unless_it_is_html() -> None:
    assert fill("more", text="<b>") == fill("more", text=Html("&lt;b&gt;"))
    with pytest.raises(KeyError):
        fill("more")


def test_a_subject_is_one_short_line() -> None:
    letter = letters.digest(recipient(), [news(title="长" * 200)], TOKEN)
    assert (len(letter.subject), letter.subject[-1]) == (letters.MAX_SUBJECT, "…")
    letter = letters.confirmation(recipient(tenant="a\r\nBcc: eve@example.com"), TOKEN)
    assert letter.subject == "Please confirm: e-mail about tasks of a Bcc: eve@example.com"


def test_the_worst_digest_is_small_enough_for_every_program() -> None:
    """Gmail cuts a mail at 102 KB."""
    worst = [news(title="长" * 200, reason="因" * 300, number=number) for number in range(letters.MAX_COUNTED)]
    letter = letters.digest(recipient("zh"), worst, TOKEN)
    assert letter.subject == "500 个任务已结束：失败 500 个"
    assert "另有 470 个任务。" in letter.text
    assert len(letter.html.encode()) < 102_000


def test_a_task_is_shown_by_the_page_that_the_deployment_names(links: pytest.MonkeyPatch) -> None:
    links.setenv("TASK_PAGE_URL", "https://example.com/tasks?id={task_id}&from=mail")
    settings.of.cache_clear()
    letter = letters.digest(recipient(), [news(number=1)], TOKEN)
    assert Reader(letter.html).links[0] == "https://example.com/tasks?id=%E7%9C%81%2F1&from=mail"


def test_every_text_is_there_in_every_language() -> None:
    english, chinese = vars(WORDS["en"]), vars(WORDS["zh"])
    assert english.keys() == chinese.keys()
    for name, text in english.items():
        assert blanks(text) == blanks(chinese[name]), name
        assert name == "joined" or text != chinese[name]


def blanks(text: object) -> set[str]:
    return {
        blank
        for blank in ("{tenant}", "{address}", "{event}", "{title}", "{number}", "{counts}", "{}")
        if blank in str(text)
    }
