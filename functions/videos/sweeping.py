"""What tasks leave behind: jobs of the provider that nobody waits for, and files whose video was purged or deleted."""

from urllib.parse import unquote

from longhaul import database, lifetime
from longhaul.observability import logger
from videos import files, jobs, store

SPARE_SECONDS = 10.0
PAGES = 20  # of the bucket's list, that one sweep looks at


def sweep(*, with_files: bool) -> dict[str, int]:
    """How many jobs and files were over. Raises as S3 and the provider do.

    The files first: their sweep comes once an hour, and must not wait for a provider that is away.
    """
    files_deleted = delete_orphans() if with_files else 0
    swept = {"jobs": jobs.cancel_abandoned(), "files": files_deleted}
    if any(swept.values()):
        logger.info("videos swept", extra=swept)
    return swept


def delete_orphans() -> int:
    """Delete the files whose task is not there, of the next part of the bucket; how many.

    A worker that outlives its video writes files that only this finds. The sweep remembers where it was: the next one
    goes on there, and begins anew behind the end.
    """
    deleted, after, done, place = 0, files.find_place(), "", ""
    for number, (keys, last) in enumerate(files.list_keys(after=after)):
        if number == PAGES or (number and lifetime.seconds_left() < SPARE_SECONDS):
            place = done  # there is more
            break
        owners = {key: unquote(key.split("/")[1]) for key in keys if key.count("/") >= 2}
        with database.connection() as session:
            there = store.which_are_there(session, set(owners.values()))
        deleted += files.delete([key for key, video_id in owners.items() if video_id not in there])
        done = last
    if place != after:
        files.save_place(place)
    return deleted
