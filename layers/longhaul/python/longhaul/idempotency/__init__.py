"""Control requests, remembered by their Idempotency-Key in the transaction of what they change.

    request = keyed_request(app, idempotency_key, body)

    def write(tx):
        if not claim(tx, request):
            return ...             # carried out before: answer how things are now
        ...                        # what raises here rolls the claim back: a refusal is not remembered

A client that lost the answer sends the request again. Without this its second pause would undo a resume that somebody
asked for in between.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from longhaul import database
from longhaul.database import Session, queries
from longhaul.errors import FieldError, KeyReused

KEPT_HOURS = 24
PURGE_ROWS = 2_000  # of one DELETE

_queries = queries.load(__file__)


@dataclass
class KeyedRequest:
    """A request of a tenant, with its key (None: it is carried out each time) and its payload: method, path, body.

    `replayed` and `answer` are set by `claim`: whether it was carried out before, and what was saved of the answer.
    """

    tenant_id: str
    key: str | None
    payload: list[Any]
    replayed: bool = field(default=False, init=False)
    answer: Any = field(default=None, init=False)

    @property
    def id(self) -> str:
        """A digest, so that every engine compares tenants and keys exactly."""
        return _digest([self.tenant_id, self.key])

    @property
    def digest(self) -> str:
        """Tells one request from another under the same key."""
        return _digest(self.payload)


def claim(tx: Session, request: KeyedRequest | None) -> bool:
    """Whether the request is to be carried out now, in this transaction. False: it was before.

    Raises KeyReused when its key was used for another request.
    """
    if request is None or request.key is None:
        return True
    if _queries.insert_request(tx, request_id=request.id, request_digest=request.digest):
        request.replayed = False
        return True
    request.replayed = _look(tx, request)
    return not request.replayed


def save_answer(tx: Session, request: KeyedRequest | None, answer: Any) -> None:
    """Keep of the answer what cannot be read again later."""
    if request is not None and request.key is not None:
        _queries.save_answer(tx, request_id=request.id, answer=json.dumps(answer, ensure_ascii=False))


def release(tx: Session, request: KeyedRequest | None) -> None:
    """Forget the claim of this transaction: nothing was carried out."""
    if request is not None and request.key is not None:
        _queries.delete_request(tx, request_id=request.id)


def was_carried_out(request: KeyedRequest | None) -> bool:
    """Whether the request was carried out before; its `answer` is read again. Raises KeyReused, DatabaseUnavailable."""
    if request is None or request.key is None:
        return False
    with database.connection() as session:
        return _look(session, request)


def purge() -> int:
    """Forget the requests that are older than a day; how many they were. Raises DatabaseUnavailable."""
    purged = 0
    with database.connection() as session:
        while deleted := int(_queries.purge_requests(session, hours=KEPT_HOURS, limit=PURGE_ROWS)):
            purged += deleted
    return purged


def _look(session: Session, request: KeyedRequest) -> bool:
    row = _queries.fetch_request(session, request_id=request.id)
    if row is None:
        return False
    if row["request_digest"] != request.digest:
        detail = "it was used for another request within the last day; take a new key"
        raise KeyReused(errors=[FieldError(pointer="header/Idempotency-Key", detail=detail)])
    request.answer = json.loads(row["answer"]) if row["answer"] else None
    return True


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
