"""Recipients: who is told by e-mail, and who has confirmed or left.

A tenant's notices go to e-mail from its first recipient's confirmation until its last one's leaving
(`publication.listen`). Links count once they are posted: programs that check mails follow links.
"""

import secrets
from collections.abc import Sequence
from typing import NoReturn

from longhaul import database, settings
from longhaul.aws import sqs
from longhaul.database import Session
from longhaul.errors import Conflict, LonghaulError, NotFound
from longhaul.idempotency import KeyedRequest, claim, was_carried_out
from longhaul.tasks import publication
from longhaul.tasks.kinds import kind_named
from longhaul.tasks.notices import Channel
from mail import store
from mail.messages import Wakeup
from mail.model import MAX_RECIPIENTS, Language, Purpose, Recipient, RecipientStatus, key_of

MAX_OF_ADDRESS, MAX_OF_TENANT = 5, 50  # confirmations in an hour


class MailNotSent(Conflict):
    """This deployment sends no e-mail: its parameter MailFrom is empty."""

    code = "mail_not_sent"


class TooManyRecipients(Conflict):
    """The tenant has as many recipients as it may have; remove one first."""

    code = "too_many_recipients"


class TooManyConfirmations(LonghaulError):
    """As many confirmations were asked for in this hour as may be."""

    code, status, retryable = "too_many_confirmations", 429, True

    def __init__(self, whose: str, most: int, *, retry_after: int) -> None:
        super().__init__(f"{most} confirmations were asked for in this hour for the {whose}; try again later")
        self.retry_after = retry_after  # seconds


def check_configured() -> None:
    """Raises MailNotSent."""
    if not settings.of(settings.Mail).mail_from:
        raise MailNotSent


def add(
    tenant_id: str, address: str, language: Language, kinds: Sequence[str] | None, request: KeyedRequest | None = None
) -> Recipient:
    """The tenant's recipient with this address, new or not. Unless it has confirmed it is asked to, by mail.

    Raises UnknownKind, TooManyRecipients, TooManyConfirmations, KeyReused, DatabaseUnavailable.
    """
    for kind in kinds or ():
        kind_named(kind)
    key = key_of(address)

    def write(tx: Session) -> Recipient:
        # Another may be adding the same address, or the last recipient there is room for.
        store.lock_quota(tx, _tenant(tenant_id))
        known = {recipient.address_key: recipient for recipient in store.lock_recipients(tx, tenant_id)}
        found = known.get(key)
        if claim(tx, request):
            _write(tx, found, len(known), tenant_id, address, language, kinds)
        return next((r for r in store.list_recipients(tx, tenant_id) if r.address_key == key), None) or _gone(address)

    recipient = database.run_transaction(write)
    if recipient.status == RecipientStatus.PENDING:
        wake([recipient.recipient_id])
    return recipient


def _write(
    tx: Session,
    found: Recipient | None,
    number: int,
    tenant_id: str,
    address: str,
    language: Language,
    kinds: Sequence[str] | None,
) -> None:
    if found is None and number >= MAX_RECIPIENTS:
        raise TooManyRecipients(f"a tenant has at most {MAX_RECIPIENTS} recipients; remove one first")
    if found is None or found.status != RecipientStatus.CONFIRMED:
        _count(tx, _tenant(tenant_id), MAX_OF_TENANT)
        _count(tx, f"address:{key_of(address)}", MAX_OF_ADDRESS)
    if found is None:
        store.insert_recipient(
            tx,
            f"recipient_{secrets.token_hex(16)}",
            tenant_id=tenant_id,
            address=address,
            address_key=key_of(address),
            language=language,
            kinds=kinds,
        )
        return
    store.change_recipient(tx, found.recipient_id, language=language, kinds=kinds)
    if found.status != RecipientStatus.CONFIRMED:
        store.ask_again(tx, found.recipient_id)


def list_all(tenant_id: str) -> list[Recipient]:
    """The tenant's recipients, the oldest first. Raises DatabaseUnavailable."""
    with database.connection() as session:
        return store.list_recipients(session, tenant_id)


def read(tenant_id: str, recipient_id: str) -> Recipient:
    """Raises NotFound, DatabaseUnavailable."""
    with database.connection() as session:
        found = store.fetch_recipient(session, recipient_id)
    return found if found is not None and found.tenant_id == tenant_id else _gone(recipient_id)


def remove(tenant_id: str, recipient_id: str, request: KeyedRequest | None = None) -> None:
    """Forget a recipient and what it was to be told. Raises NotFound, KeyReused, DatabaseUnavailable."""
    if was_carried_out(request):
        return

    def write(tx: Session) -> None:
        known = {recipient.recipient_id for recipient in store.lock_recipients(tx, tenant_id)}
        if claim(tx, request):
            if recipient_id not in known:
                _gone(recipient_id)
            store.delete_recipient(tx, recipient_id)
            _listen(tx, tenant_id)

    database.run_transaction(write)


def find(token: str, purpose: Purpose) -> Recipient | None:
    """Whose the link is; None for a token that is unknown or has expired. Raises DatabaseUnavailable."""
    with database.connection() as session:
        return store.find_by_token(session, token, purpose)


def confirm(token: str) -> Recipient | None:
    """The recipient, which is told of what ends from now on; None as in `find`. Twice is once."""

    def write(tx: Session) -> Recipient | None:
        if (found := _locked(tx, token, Purpose.CONFIRM)) and found.status != RecipientStatus.CONFIRMED:
            store.confirm(tx, found.recipient_id)
            _listen(tx, found.tenant_id)
        return found

    return database.run_transaction(write)


def unsubscribe(token: str) -> Recipient | None:
    """The recipient, which is told nothing more until it confirms again; None as in `find`. Twice is once."""

    def write(tx: Session) -> Recipient | None:
        found = _locked(tx, token, Purpose.UNSUBSCRIBE)
        if found and found.status != RecipientStatus.UNSUBSCRIBED:
            store.silence(tx, found.recipient_id, RecipientStatus.UNSUBSCRIBED)
            _listen(tx, found.tenant_id)
        return found

    return database.run_transaction(write)


def reject(claimed: Recipient, reason: str) -> None:
    """Send nothing more to an address that SES refuses; not if the recipient has changed since it was claimed."""

    def write(tx: Session) -> None:
        locked = {recipient.recipient_id: recipient for recipient in store.lock_recipients(tx, claimed.tenant_id)}
        found = locked.get(claimed.recipient_id)
        if found and found.claims == claimed.claims:
            store.silence(tx, found.recipient_id, RecipientStatus.REJECTED, reason)
            _listen(tx, found.tenant_id)

    database.run_transaction(write)


def wake(recipient_ids: Sequence[str]) -> None:
    """Have what is due to these sent now. Never raises: the minute's sweep finds it."""
    if recipient_ids:
        sqs.send(settings.of(settings.OutboxQueue).outbox_queue_url, [Wakeup(recipient_ids=list(recipient_ids))])


def _locked(tx: Session, token: str, purpose: Purpose) -> Recipient | None:
    """Whose the link is, with all recipients of its tenant locked."""
    if (found := store.find_by_token(tx, token, purpose)) is None:
        return None
    store.lock_recipients(tx, found.tenant_id)
    return store.find_by_token(tx, token, purpose)


def _listen(tx: Session, tenant_id: str) -> None:
    """The tenant's notices go to e-mail if any of its recipients, which are locked, has confirmed."""
    if any(r.status == RecipientStatus.CONFIRMED for r in store.lock_recipients(tx, tenant_id)):
        publication.listen(tx, tenant_id, Channel.MAIL)
    else:
        publication.stop_listening(tx, tenant_id, Channel.MAIL)


def _count(tx: Session, subject: str, most: int) -> None:
    used, seconds = store.count_quota(tx, subject)
    if used > most:
        raise TooManyConfirmations(subject.partition(":")[0], most, retry_after=seconds)


def _tenant(tenant_id: str) -> str:
    return f"tenant:{tenant_id}"


def _gone(name: str) -> NoReturn:
    raise NotFound(f"there is no recipient {name}")
