"""How far a campaign is, and what came of it: read from its counters, never counted from its rows."""

from collections.abc import Mapping
from typing import Any

from calls import store
from calls.model import FOLLOWED, INTERESTED, TALK_MS
from calls.statuses import JobStatus, Outcome
from longhaul.database import Session
from longhaul.tasks.model import Tally


def tally(session: Session, task_id: str) -> Tally:
    """Of all leads, those whose call is over."""
    leads, counts = store.fetch_counts(session, task_id)
    final = sum(counts.get(status, 0) for status in JobStatus if status.is_final)
    return Tally(
        progress=min(99, 100 * final // leads) if leads else 0,
        share=final / leads if leads else 0.0,
        steps_done=final,
        complete=final == leads > 0,
        statistics=summary(leads, counts),
    )


def summary(leads: int, counts: Mapping[str, int]) -> dict[str, Any]:
    """The figures of a campaign as its task reports them: leads, each outcome, and the talk in seconds."""
    outcomes = {str(outcome): counts.get(outcome, 0) for outcome in Outcome if outcome != Outcome.CALLING}
    return {
        "leads": leads,
        "final": sum(counts.get(status, 0) for status in JobStatus if status.is_final),
        **outcomes,
        "interested": counts.get(INTERESTED, 0),
        "followed": counts.get(FOLLOWED, 0),
        "talk_seconds": counts.get(TALK_MS, 0) // 1000,
    }
