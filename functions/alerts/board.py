"""The alerts as people see them: listed, read with their history, acknowledged, and silenced."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from alerts import store
from alerts.model import (
    MAX_SILENCES,
    Alert,
    AlertEvent,
    AlertRule,
    AlertSeverity,
    AlertState,
    Happened,
    Silence,
    TooManySilences,
)
from longhaul import database
from longhaul.database import Session
from longhaul.errors import Conflict, FieldError, InvalidRequest, NotFound
from longhaul.idempotency import KeyedRequest, claim, save_answer

MAX_SILENCE = timedelta(days=90)


class NotFiring(Conflict):
    """Only an alert that is firing can be acknowledged."""

    code = "alert_not_firing"


def list_alerts(
    tenant_id: str | None,
    *,
    states: Sequence[AlertState],
    rules: Sequence[AlertRule],
    severities: Sequence[AlertSeverity],
    before_id: int | None,
    limit: int,
) -> tuple[list[Alert], int | None]:
    """The newest first, and before which the next page begins. `tenant_id` None: of every tenant."""
    with database.connection() as session:
        found = store.list_alerts(
            session,
            tenant_id,
            states=states,
            rules=rules,
            severities=severities,
            before_id=before_id or store.LAST_ID,
            limit=limit + 1,
        )
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def read(tenant_id: str | None, alert_id: str) -> tuple[Alert, list[Happened]]:
    """An alert and its history, the oldest first. Here and below: raises NotFound."""
    with database.connection() as session:
        alert = _found(store.fetch_alert(session, tenant_id, alert_id))
        return alert, store.list_events(session, alert_id)


def acknowledge(tenant_id: str | None, alert_id: str, user_id: str, *, request: KeyedRequest) -> Alert:
    """It is not repeated any more, unless it becomes critical. Twice is once. Raises NotFiring."""

    def write(tx: Session) -> Alert:
        first = claim(tx, request)
        alert = _found(store.fetch_alert(tx, tenant_id, alert_id))
        if first and store.acknowledge(tx, alert_id, user_id):
            store.add_event(tx, alert_id, AlertEvent.ACKNOWLEDGED, notify=alert.was_notified, user_id=user_id)
        elif first and alert.state != AlertState.FIRING:
            raise NotFiring(f"the alert is {alert.state}")
        return _found(store.fetch_alert(tx, tenant_id, alert_id))

    return database.run_transaction(write)


def silence(
    tenant_id: str,
    user_id: str,
    *,
    rule: AlertRule | None,
    subject: str | None,
    comment: str | None,
    ends_at: datetime,
    request: KeyedRequest,
) -> Silence:
    """A new silence, of a tenant or (OPERATOR) of all. Raises InvalidRequest, TooManySilences."""
    _check_end(ends_at)
    silence_id = f"silence_{secrets.token_hex(16)}"

    def write(tx: Session) -> Silence:
        if not claim(tx, request):
            return _silence(store.fetch_silence(tx, tenant_id, str(request.answer)))
        if store.count_silences(tx, tenant_id) >= MAX_SILENCES:
            raise TooManySilences(f"there are {MAX_SILENCES} silences already: delete those that have ended")
        store.insert_silence(
            tx, silence_id, tenant_id, user_id, rule=rule, subject=subject, comment=comment, ends_at=ends_at
        )
        save_answer(tx, request, silence_id)
        return _silence(store.fetch_silence(tx, tenant_id, silence_id))

    return database.run_transaction(write)


def list_silences(tenant_id: str, before_id: int | None, limit: int) -> tuple[list[Silence], int | None]:
    """The newest first, also those that have ended, and before which the next page begins."""
    with database.connection() as session:
        found = store.list_silences(session, tenant_id, before_id or store.LAST_ID, limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def delete_silence(tenant_id: str, silence_id: str) -> None:
    if not database.run_transaction(lambda tx: store.delete_silence(tx, tenant_id, silence_id)):
        raise NotFound("there is no such silence")


def _check_end(ends_at: datetime) -> None:
    now = datetime.now(UTC)
    if now < ends_at <= now + MAX_SILENCE:
        return
    detail = f"is past, or more than {MAX_SILENCE.days} days ahead"
    raise InvalidRequest(f"/ends_at {detail}", errors=[FieldError(pointer="/ends_at", detail=detail)])


def _found(alert: Alert | None) -> Alert:
    if alert is None:
        raise NotFound("there is no such alert")
    return alert


def _silence(silence: Silence | None) -> Silence:
    if silence is None:
        raise NotFound("there is no such silence")
    return silence
