"""Recordings: asked for once, copied to our bucket for ever, because the provider's links expire."""

from urllib.parse import quote

from calls import downloads, job_store
from calls.job_store import Recording
from calls.messages import RecordingsMessage
from calls.provider import provider
from calls.scopes import scope_of
from longhaul import cache, database, settings
from longhaul.errors import PermanentError
from longhaul.observability import logger

FETCHING_SECONDS = 360.0  # longer than its function may run: who holds a recording for longer is dead


def fetch_recordings(message: RecordingsMessage) -> int:
    """Copy those of these jobs' recordings that are not here yet; how many. Raises as the provider does when away."""
    fetched = sum(_fetch(message.task_id, job_seq) for job_seq in message.job_seqs)
    if fetched:
        cache.invalidate(scope_of(message.task_id))
    return fetched


def _fetch(task_id: str, job_seq: int) -> bool:
    """Whether it is known now where the recording is, or that there is none."""
    with database.connection() as session:
        if not job_store.claim_recording(session, task_id, job_seq, FETCHING_SECONDS):
            return False
        recording = job_store.fetch_recording(session, task_id, job_seq)
    try:
        url = _copied(task_id, recording)
    except BaseException:
        with database.connection() as session:
            job_store.release_recording(session, task_id, job_seq)
        raise
    with database.connection() as session:
        return job_store.save_recording(session, task_id, job_seq, url)


def _copied(task_id: str, recording: Recording) -> str | None:
    """Where the copy is, None without one. A worker that died before it wrote that down left the copy to be found."""
    bucket = settings.of(settings.Recordings).recordings_bucket
    key = f"{quote(recording.tenant_id)}/{quote(task_id)}/{quote(recording.call_job_id)}.wav"
    if not downloads.exists(bucket, key):
        link = provider().recording_link(recording.call_task_id)
        if link is None:
            return None
        try:
            downloads.copy_recording(link, bucket=bucket, key=key)
        except PermanentError as error:  # from a place, of a kind or a size that we do not take: nor will we tomorrow
            logger.warning("recording refused", extra={"task_id": task_id, "reason": str(error)})
            return None
    return f"s3://{bucket}/{key}"
