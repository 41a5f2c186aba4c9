"""The rows of recipients, of what they are to be told, and of the tokens in their mails."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from longhaul.database import Session, queries
from longhaul.database.chunks import arrays
from mail.model import Language, News, Purpose, Recipient, RecipientStatus

_queries = queries.load(__file__)

QUOTA_SECONDS = 3600


def lock_recipients(tx: Session, tenant_id: str) -> list[Recipient]:
    """All of the tenant's, nobody else's until the transaction ends."""
    return [Recipient.from_row(row) for row in _queries.lock_recipients(tx, tenant_id=tenant_id)]


def list_recipients(session: Session, tenant_id: str) -> list[Recipient]:
    """The oldest first."""
    return [Recipient.from_row(row) for row in _queries.list_recipients(session, tenant_id=tenant_id)]


def fetch_recipient(session: Session, recipient_id: str) -> Recipient | None:
    row = _queries.fetch_recipient(session, recipient_id=recipient_id)
    return Recipient.from_row(row) if row else None


def insert_recipient(
    tx: Session,
    recipient_id: str,
    *,
    tenant_id: str,
    address: str,
    address_key: str,
    language: Language,
    kinds: Sequence[str] | None,
) -> None:
    _queries.insert_recipient(
        tx,
        recipient_id=recipient_id,
        tenant_id=tenant_id,
        address=address,
        address_key=address_key,
        language=language,
        kinds=_dumped(kinds),
    )


def change_recipient(tx: Session, recipient_id: str, *, language: Language, kinds: Sequence[str] | None) -> None:
    _queries.change_recipient(tx, recipient_id=recipient_id, language=language, kinds=_dumped(kinds))


def ask_again(tx: Session, recipient_id: str) -> None:
    """A new confirmation is due."""
    _queries.ask_again(tx, recipient_id=recipient_id)


def confirm(tx: Session, recipient_id: str) -> None:
    _queries.confirm(tx, recipient_id=recipient_id)


def silence(tx: Session, recipient_id: str, status: RecipientStatus, reason: str | None = None) -> None:
    """What it was to be told is dropped. Links that confirm are void, so that it must be asked again."""
    _queries.silence(tx, recipient_id=recipient_id, status=status, reason=reason)
    _queries.drop_news(tx, recipient_id=recipient_id)
    _queries.delete_tokens(tx, recipient_id=recipient_id, purpose=Purpose.CONFIRM)


def delete_recipient(tx: Session, recipient_id: str) -> None:
    _queries.delete_recipient(tx, recipient_id=recipient_id)


def insert_token(tx: Session, token: str, recipient_id: str, purpose: Purpose, seconds: int) -> None:
    _queries.insert_token(tx, digest=_digest(token), recipient_id=recipient_id, purpose=purpose, seconds=seconds)


def find_by_token(session: Session, token: str, purpose: Purpose) -> Recipient | None:
    """None for a token that is unknown or has expired."""
    row = _queries.find_by_token(session, digest=_digest(token), purpose=purpose)
    return Recipient.from_row(row) if row else None


def lock_quota(tx: Session, subject: str) -> None:
    _queries.lock_quota(tx, subject=_digest(subject))


def count_quota(tx: Session, subject: str) -> tuple[int, int]:
    """Count one more confirmation. How many there were in the hour, and the seconds that are left of it."""
    digest = _digest(subject)
    _queries.count_quota(tx, subject=digest, seconds=QUOTA_SECONDS)
    row = _queries.fetch_quota(tx, subject=digest, seconds=QUOTA_SECONDS)
    return int(row["used"]), int(row["seconds_left"])


def insert_news(tx: Session, rows: Iterable[tuple[str, str, News]]) -> int:
    """Add (recipient, notice, news) that are not there yet; how many."""
    documents = (
        {"recipient_id": recipient, "notice_id": notice, "news": news.model_dump_json()}
        for recipient, notice, news in rows
    )
    return sum(int(_queries.insert_news(tx, rows=some)) for some in arrays(documents))


def set_due(tx: Session, recipient_ids: Sequence[str], *, again: bool = False) -> None:
    """What is unsent to these is due as soon as they may be sent a mail; `again`: also where something is due."""
    _queries.set_due(tx, recipient_ids=list(recipient_ids), again=again)


def list_due_of(session: Session, recipient_ids: Sequence[str]) -> list[str]:
    """Those of these to whom something is due now."""
    return [row["recipient_id"] for row in _queries.list_due_of(session, recipient_ids=list(recipient_ids))]


def list_due(session: Session, limit: int) -> list[str]:
    """Recipients to whom something is due now, those that waited longest first."""
    return [row["recipient_id"] for row in _queries.list_due(session, limit=limit)]


def claim_recipient(tx: Session, recipient_id: str, seconds: int) -> bool:
    """True: this sender may send what is due, and no other until the lease ends."""
    return bool(_queries.claim_recipient(tx, recipient_id=recipient_id, seconds=seconds))


def list_unsent(tx: Session, recipient_id: str, limit: int) -> list[tuple[int, News]]:
    """(row, news) of what the recipient is to be told, the oldest first."""
    rows = _queries.list_unsent(tx, recipient_id=recipient_id, limit=limit)
    return [(row["id"], News.model_validate_json(row["news"])) for row in rows]


def finish_sending(tx: Session, claimed: Recipient, *, last_id: int, seconds: int) -> bool:
    """Note that what is unsent up to a row was sent, and that the next mail waits for `seconds`. False: too late."""
    recipient_id = claimed.recipient_id
    if not _queries.finish_sending(tx, recipient_id=recipient_id, claims=claimed.claims, seconds=seconds):
        return False
    _queries.mark_sent(tx, recipient_id=recipient_id, last_id=last_id)
    set_due(tx, [recipient_id], again=True)
    return True


def put_off(session: Session, claimed: Recipient, seconds: int) -> None:
    """It could not be sent; try again in `seconds`."""
    _queries.put_off(session, recipient_id=claimed.recipient_id, claims=claimed.claims, seconds=seconds)


def purge(session: Session, days: int, limit: int) -> int:
    """Delete news of so many days ago, tokens that have expired and quotas of hours past; how many."""
    return sum(
        (
            int(_queries.purge_news(session, days=days, limit=limit)),
            int(_queries.purge_tokens(session, limit=limit)),
            int(_queries.purge_quotas(session, seconds=QUOTA_SECONDS, limit=limit)),
        )
    )


def _dumped(kinds: Sequence[str] | None) -> Any:
    return None if kinds is None else json.dumps(list(kinds))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
