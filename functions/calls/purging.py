"""What goes with a campaign that is purged: its leads, whose rows are no foreign key's.

A lead's follow-up stays: it is the lead's, whom other campaigns may call as well. Recordings are the bucket's lifecycle
rule's.
"""

from collections.abc import Sequence

from calls import store
from calls.scopes import scope_of
from longhaul import generations
from longhaul.database import Session


def purge(session: Session, task_ids: Sequence[str], limit: int) -> int:
    """As `Kind.purge` has it. Their pages are forgotten too."""
    generations.invalidate_all(scope_of(task_id) for task_id in task_ids)
    return store.delete_leads(session, task_ids, limit)
