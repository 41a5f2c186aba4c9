"""Recordings: copied once from the provider to our bucket, because the provider's links expire."""

from functools import cache
from typing import Any
from urllib.parse import quote

from calls import job_store
from calls.freshness import forget_pages
from calls.job_store import RECORDING_CLAIM_SECONDS, Recording
from calls.messages import RecordingsMessage, wake_recordings
from calls.provider import provider
from longhaul import aws, database, lifetime, settings
from longhaul.downloads import Wanted, download
from longhaul.errors import PermanentError, ProviderUnavailable
from longhaul.observability import logger

MAX_BYTES = 100 * 1024 * 1024
MAX_SECONDS = 60.0
NEEDED_SECONDS = MAX_SECONDS + 30.0  # for one recording, with its link and its rows
PART_BYTES = 5 * 1024 * 1024  # S3's least; as much is held in memory, twice while it is sent


def fetch_recordings(message: RecordingsMessage) -> int:
    """Copy the recordings of these jobs that are not here yet. Returns how many. Raises as the provider does.

    A call that is nearly over leaves the rest to another, by a message of its own.
    """
    fetched = 0
    for position, job_seq in enumerate(message.job_seqs):
        if lifetime.seconds_left() < NEEDED_SECONDS:
            wake_recordings(message.task_id, message.job_seqs[position:])
            break
        fetched += _fetch(message.task_id, job_seq)
    if fetched:
        forget_pages(message.task_id)
    return fetched


def copy_recording(link: str, *, bucket: str, key: str) -> int:
    """Copy the recording behind the link, and return its bytes. The object is there whole or not at all.

    Raises as `download` does, and ProviderUnavailable when S3 does not take it.
    """
    hosts = settings.of(settings.Recordings).recording_hosts
    with download(link, Wanted("recording", hosts, ("audio",), MAX_BYTES, MAX_SECONDS)) as audio:
        try:
            aws.client("s3").upload_fileobj(
                audio,  # type: ignore[arg-type] # a file that only reads
                bucket,
                key,
                ExtraArgs={"ContentType": audio.content_type},
                Config=_in_parts(),
            )
        except aws.errors() as error:
            raise ProviderUnavailable("the recording cannot be stored") from error
        return audio.count


def exists(bucket: str, key: str) -> bool:
    """Whether it was copied. Needs s3:ListBucket: without it S3 answers 403 for a key that is not there."""
    try:
        aws.client("s3").head_object(Bucket=bucket, Key=key)
    except aws.errors() as error:
        if aws.error_code(error) == "404":
            return False
        raise ProviderUnavailable("the bucket of recordings does not answer") from error
    return True


def _fetch(task_id: str, job_seq: int) -> bool:
    """True: the row now says where the recording is, or that there is none."""
    with database.connection() as session:
        if not job_store.claim_recording(session, task_id, job_seq, RECORDING_CLAIM_SECONDS):
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
    """The copy's URL, None without one. A copy that a worker made before it died is found and not made again."""
    bucket = settings.of(settings.Recordings).recordings_bucket
    key = f"{quote(recording.tenant_id)}/{quote(task_id)}/{quote(recording.call_job_id)}.wav"
    if not exists(bucket, key):
        link = provider().recording_link(recording.call_task_id)
        if link is None:
            return None
        try:
            copy_recording(link, bucket=bucket, key=key)
        except PermanentError as error:  # its host, type or size is not accepted, and will not be tomorrow
            logger.warning("recording refused", extra={"task_id": task_id, "reason": str(error)})
            return None
    return f"s3://{bucket}/{key}"


@cache
def _in_parts() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False)
