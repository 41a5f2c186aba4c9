"""What refreshes did to the directory: a province's refreshes, and the hospitals that one added, changed, found gone.

Each hospital names the task that added it, the last one that changed it, and the one that found it gone. What another
refresh has changed or found gone since is told by that one; what a refresh added stays so while it is listed.
"""

from collections.abc import Collection
from dataclasses import dataclass

from hospitals import store
from hospitals.provinces import PROVINCES
from hospitals.store import Begun, Change, ChangedHospital, Changes, Key, Place, Refresh
from longhaul import database
from longhaul.errors import NotFound


@dataclass(frozen=True)
class ChangeList:
    """A part of what a refresh changed in a place. `counts` are of all of it, whatever is listed; `last` is the last
    one's key when more follow.
    """

    items: list[ChangedHospital]
    counts: Changes
    last: Key | None


def list_refreshes(
    province_code: str, tenant_id: str, *, before: Begun, limit: int
) -> tuple[list[Refresh], Begun | None]:
    """The tenant's refreshes of the province that began before that one, the last first; and before which more follow.

    Raises NotFound.
    """
    province = next((province for province in PROVINCES if province.code == province_code), None)
    if province is None:
        raise NotFound(f"There is no province {province_code}.")
    with database.connection() as session:
        found = store.list_refreshes(session, province, tenant_id, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].begun if len(found) > limit else None


def list_changes(
    task_id: str, tenant_id: str, place: Place, changes: Collection[Change], *, after: Key, limit: int
) -> ChangeList:
    """What the tenant's refresh changed in the place, in one of these ways. Raises NotFound."""
    with database.connection() as session:
        if not store.is_refresh(session, task_id, tenant_id):
            raise NotFound(f"There is no refresh {task_id}.")
        counts = store.count_changes(session, task_id, place)
        found = store.list_changes(session, task_id, place, changes, after=after, limit=limit + 1)
    last = found[limit - 1].hospital if len(found) > limit else None
    return ChangeList(found[:limit], counts, Key(last.district_code, last.name) if last else None)
