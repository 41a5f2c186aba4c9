"""Sending: what is due to a recipient becomes one mail, and the next waits for 15 minutes.

A sender claims a recipient for LEASE_SECONDS, sends, then notes what it sent. One that is killed between the two has
sent a mail that nobody noted: when its lease ends the mail is sent again. So a mail may come twice, and never not at
all. Two senders at once send one mail.
"""

import secrets
from collections.abc import Callable

from longhaul import database, lifetime, settings
from longhaul.database import Session
from longhaul.errors import ProviderThrottled, ProviderUnavailable
from longhaul.observability import logger
from mail import letters, provider, recipients, store
from mail.messages import Wakeup
from mail.model import Purpose, Recipient, RecipientStatus
from mail.provider import AddressRejected, Letter

LEASE_SECONDS = 120  # longer than the function may run
DIGEST_SECONDS = 900  # between two mails to a recipient
CONFIRM_SECONDS = 24 * 3600  # for so long a confirmation's link counts
UNSUBSCRIBE_SECONDS = 180 * 24 * 3600
RETRY_SECONDS, MAX_RETRY_SECONDS = 30, 3600  # after an error, doubled with each
KEPT_DAYS = 30  # longer than a queue keeps a notice
AT_ONCE, PURGE_ROWS = 100, 2_000
SECONDS_OF_ONE = 15  # a mail may take as long: SES's client waits for twelve


class _Claimed:
    """A recipient that is this sender's, the mail for it, and the last row of news that stands in it."""

    def __init__(self, recipient: Recipient, letter: Letter, last_id: int) -> None:
        self.recipient, self.letter, self.last_id = recipient, letter, last_id

    @property
    def pause(self) -> int:
        """A confirmation delays no digest."""
        return DIGEST_SECONDS if self.last_id else 0


def send_to(wakeup: Wakeup) -> int:
    """Send what is due to these recipients; how many mails. Raises DatabaseUnavailable."""
    return _send_all(wakeup.recipient_ids)


def send_due() -> int:
    """Send what is due to anybody, those first that waited longest; how many mails. Raises DatabaseUnavailable."""
    with database.connection() as session:
        store.purge(session, KEPT_DAYS, PURGE_ROWS)
    sent = 0
    while lifetime.seconds_left() > SECONDS_OF_ONE:
        with database.connection() as session:
            due = store.list_due(session, AT_ONCE)
        if not due or not (some := _send_all(due)):
            break
        sent += some
    return sent


def _send_all(recipient_ids: list[str]) -> int:
    """How many were sent. It ends where SES asks for a pause: the next sweep goes on with the rest."""
    sent = 0
    if not settings.of(settings.Mail).mail_from:
        return sent
    for recipient_id in recipient_ids:
        if lifetime.seconds_left() < SECONDS_OF_ONE:
            break
        if claimed := database.run_transaction(_claim_of(recipient_id)):
            try:
                sent += _send(claimed)
            except ProviderThrottled:
                break
    return sent


def _claim_of(recipient_id: str) -> Callable[[Session], _Claimed | None]:
    def claim(tx: Session) -> _Claimed | None:
        """None where nothing is to be sent, or another sends it."""
        if not store.claim_recipient(tx, recipient_id, LEASE_SECONDS):
            return None
        recipient = store.fetch_recipient(tx, recipient_id)
        if recipient is None:
            return None
        token = secrets.token_urlsafe(32)
        if recipient.status == RecipientStatus.PENDING:
            store.insert_token(tx, token, recipient_id, Purpose.CONFIRM, CONFIRM_SECONDS)
            return _Claimed(recipient, letters.confirmation(recipient, token), 0)
        if rows := store.list_unsent(tx, recipient_id, letters.MAX_COUNTED):
            store.insert_token(tx, token, recipient_id, Purpose.UNSUBSCRIBE, UNSUBSCRIBE_SECONDS)
            return _Claimed(recipient, letters.digest(recipient, [news for _, news in rows], token), rows[-1][0])
        store.set_due(tx, [recipient_id], again=True)
        return None

    return claim


def _send(claimed: _Claimed) -> int:
    """1 when the mail was sent. Raises ProviderThrottled."""
    recipient = claimed.recipient
    context = {"recipient_id": recipient.recipient_id, "tenant_id": recipient.tenant_id}
    try:
        provider.send(claimed.letter, recipient.address)
    except AddressRejected as error:
        logger.warning("address rejected", extra=context | {"reason": str(error)})
        recipients.reject(recipient, str(error))
        return 0
    except (ProviderThrottled, ProviderUnavailable) as error:
        logger.warning("mail not sent", extra=context | {"reason": str(error)})
        _put_off(recipient)
        if isinstance(error, ProviderThrottled):
            raise
        return 0

    def note(tx: Session) -> bool:
        return store.finish_sending(tx, recipient, last_id=claimed.last_id, seconds=claimed.pause)

    noted = database.run_transaction(note)
    logger.info("mail sent", extra=context | {"noted": noted})
    return 1


def _put_off(recipient: Recipient) -> None:
    seconds = min(MAX_RETRY_SECONDS, RETRY_SECONDS * 2 ** min(recipient.failures, 10))
    with database.connection() as session:
        store.put_off(session, recipient, seconds)
