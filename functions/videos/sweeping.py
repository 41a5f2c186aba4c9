"""What tasks leave behind: jobs of the provider that nobody waits for, and files whose video was purged or deleted."""

from urllib.parse import unquote

from longhaul import database, lifetime
from longhaul.observability import logger
from videos import files, jobs, store

SPARE_SECONDS = 10.0


def sweep(*, with_files: bool) -> dict[str, int]:
    """How many jobs and files were over. Raises as S3 and the provider do.

    The files first: their sweep comes once a day, and must not wait for a provider that is away.
    """
    files_deleted = delete_orphans() if with_files else 0
    swept = {"jobs": jobs.cancel_abandoned(), "files": files_deleted}
    if any(swept.values()):
        logger.info("videos swept", extra=swept)
    return swept


def delete_orphans() -> int:
    """Delete the files whose task is not there, as far as there is time for; how many.

    A worker that outlives its video writes files that only this finds. The next sweep begins anew.
    """
    deleted = 0
    for keys, _ in files.list_keys():
        owners = {key: unquote(key.split("/")[1]) for key in keys if key.count("/") >= 2}
        with database.connection() as session:
            there = store.which_are_there(session, set(owners.values()))
        deleted += files.delete([key for key, video_id in owners.items() if video_id not in there])
        if lifetime.seconds_left() < SPARE_SECONDS:
            break
    return deleted
