"""Writes what was measured in an execution environment (`longhaul.timing`) where the monitor finds it."""

from longhaul.database import Session, queries
from longhaul.database.chunks import dumps
from longhaul.timing import Tallies

_queries = queries.load(__file__)


def write(session: Session, taken: Tallies) -> None:
    """One row, that no other report waits for."""
    _queries.insert_latency_report(session, tallies=dumps(taken))
