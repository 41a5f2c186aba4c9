"""What a recipient is, what it is told, and how an address is read."""

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from longhaul.tasks.model import aware
from longhaul.tasks.notices import ALERT_PREFIX, PREFIX, AlertData, Notice

MAX_RECIPIENTS = 50  # of a tenant
MAX_ADDRESS_LENGTH, MAX_LOCAL_LENGTH, MAX_LABEL_LENGTH = 254, 64, 63  # RFC 5321, 4.5.3.1, and RFC 1035, 2.3.4
MAX_REASON_LENGTH = 300  # of what a mail says of a failure

type Language = Literal["en", "zh"]

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = re.compile(rf"(?!-)[a-z0-9-]{{1,{MAX_LABEL_LENGTH}}}(?<!-)")
_NUMBER = re.compile(r"[0-9]+")


class RecipientStatus(StrEnum):
    """Only who has confirmed is told anything. A rejected address is one that SES refuses."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    REJECTED = "rejected"


class Purpose(StrEnum):
    """What the token of a link is for."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True)
class Recipient:
    """An address of a tenant. `kinds` None: of tasks of every kind. `claims` fences senders off (migration 0018)."""

    recipient_id: str
    tenant_id: str
    address: str
    address_key: str
    language: Language
    kinds: list[str] | None
    status: RecipientStatus
    reason: str | None
    claims: int
    failures: int
    confirmed_at: datetime | None
    created_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        read = {
            "kinds": json.loads(row["kinds"]) if row["kinds"] else None,
            "status": RecipientStatus(row["status"]),
            "confirmed_at": aware(row["confirmed_at"]),
            "created_at": aware(row["created_at"]),
        }
        return cls(**row | read)

    def wants(self, notice: Notice) -> bool:
        """Whether it has confirmed, before this happened, and cares for the task's kind. An alert may have none."""
        if self.status != RecipientStatus.CONFIRMED or self.confirmed_at is None or not is_news(notice):
            return False
        since = self.confirmed_at.replace(microsecond=self.confirmed_at.microsecond // 1000 * 1000)
        return datetime.fromisoformat(notice.time) >= since and (self.kinds is None or notice.data.kind in self.kinds)


def is_news(notice: Notice) -> bool:
    """Whether a mail says it: a task's end, and what becomes of an alert, unless somebody has seen to it."""
    return notice.is_end or (notice.type.startswith(ALERT_PREFIX) and notice.type != f"{ALERT_PREFIX}acknowledged")


class News(BaseModel):
    """What a mail says of a task that ended. `event` is how: succeeded, failed, expired or cancelled.

    Of an alert it is warning, critical or resolved; then `alert_id` names it, and `task_id` may be empty.
    """

    model_config = ConfigDict(frozen=True)

    task_id: str
    kind: str
    title: str
    event: str
    reason: str = ""
    at: datetime
    alert_id: str = ""

    @classmethod
    def of(cls, notice: Notice) -> Self:
        data = notice.data
        if isinstance(data, AlertData):
            return cls(
                task_id=data.task_id or "",
                kind=data.kind or data.rule,
                title=clean(data.message, 200),
                event="resolved" if data.state == "resolved" else data.severity,
                at=datetime.fromisoformat(notice.time).astimezone(UTC),
                alert_id=data.alert_id,
            )
        reason = str(data.detail.get("error") or data.detail.get("reason") or "")
        return cls(
            task_id=data.task_id,
            kind=data.kind,
            title=clean(data.title, 200),
            event=notice.type.removeprefix(PREFIX),
            reason=clean(reason, MAX_REASON_LENGTH),
            at=datetime.fromisoformat(notice.time).astimezone(UTC),
        )


def clean(text: str, longest: int) -> str:
    """The text on one line, at most so long, without what no reader sees: it could break a header or turn text around.

    Of invisible characters only the joiner stays, which holds emoji together.
    """
    visible = (
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text
        if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn") or c == "\u200d"
    )
    line = " ".join("".join(visible).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def address_of(text: str) -> str:
    """`text` as an address that SES takes: ASCII, its domain in lower case. Raises ValueError with what is wrong.

    A domain may have any letters, and becomes its ASCII form (`straße.example` is `xn--strae-oqa.example`). SES takes
    none but ASCII before the @: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
    """
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("an address has the form name@domain")
    if not local.isascii():
        raise ValueError("before the @ an address may have ASCII characters only: SES sends to no other")
    if not _LOCAL.fullmatch(local) or len(local) > MAX_LOCAL_LENGTH:
        raise ValueError(
            f"before the @ there are 1 to {MAX_LOCAL_LENGTH} letters, digits and any of !#$%&'*+/=?^_`{{|}}~.-, with "
            "no dot at an end or beside another"
        )
    ascii_domain = _ascii(domain)
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)) or _NUMBER.fullmatch(labels[-1]):
        raise ValueError("behind the @ there is a domain with a dot, such as example.com")
    if len(local) + 1 + len(ascii_domain) > MAX_ADDRESS_LENGTH:
        raise ValueError(f"an address has at most {MAX_ADDRESS_LENGTH} characters")
    return f"{local}@{ascii_domain}"


def key_of(address: str) -> str:
    """The address as it is compared. Mailboxes whose names differ in capitals alone are one, wherever they are."""
    return address.lower()


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    import idna  # only here: its tables are large

    try:
        return idna.encode(domain, uts46=True).decode().lower()
    except idna.IDNAError as error:
        raise ValueError(f"behind the @ there is no domain: {error}") from error
