"""The pages behind the links of a mail. Opening one changes nothing: its button does."""

from mail.markup import Html, fill
from mail.model import Language, Purpose, Recipient, clean
from mail.words import WORDS


def question(recipient: Recipient, purpose: Purpose) -> str:
    """Asks before a link counts."""
    words = WORDS[recipient.language]
    if purpose == Purpose.CONFIRM:
        return _page(recipient, words.confirm_heading, words.confirm_question, words.confirm_button)
    return _page(recipient, words.unsubscribe_question, words.unsubscribe_text, words.unsubscribe)


def done(recipient: Recipient, purpose: Purpose) -> str:
    """Says that it counted."""
    words = WORDS[recipient.language]
    if purpose == Purpose.CONFIRM:
        return _page(recipient, words.confirmed_heading, words.confirmed_text)
    return _page(recipient, words.unsubscribed_heading, words.unsubscribed_text)


def invalid(language: Language) -> str:
    """For a link whose recipient nobody knows."""
    words = WORDS[language]
    heading, text = words.invalid_heading, words.invalid_text
    return fill("page", lang=words.lang, heading=heading, text=text, button=Html(""))


def _page(recipient: Recipient, heading: str, text: str, button: str = "") -> str:
    words = WORDS[recipient.language]
    text = text.format(tenant=clean(recipient.tenant_id, 64), address=recipient.address)
    form = fill("form", label=button) if button else Html("")
    return fill("page", lang=words.lang, heading=heading, text=text, button=form)
