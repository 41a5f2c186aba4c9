"""What is kept of a diagnosis, deleted with its task."""

from collections.abc import Sequence

from longhaul import queries
from longhaul.database import Session

_queries = queries.load(__file__)


def purge(tx: Session, task_ids: Sequence[str], limit: int) -> int:
    """Deletes `limit` cells of these tasks at most, each with an answer of perhaps 100 KB; how many. The rest of a
    diagnosis is one row, which goes with its task.
    """
    return int(_queries.purge_cells(tx, task_ids=list(task_ids), limit=limit))
