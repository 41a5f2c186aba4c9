"""Recordings copied from where the provider keeps them for a while to a bucket of ours, and links to them."""

import time
from functools import cache
from typing import Any

import urllib3

from calls.sources import fetched
from longhaul import aws
from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable

MOST_BYTES = 100 * 1024 * 1024
LONGEST_SECONDS = 60.0
PART_BYTES = 5 * 1024 * 1024  # S3's least; as much is held in memory, twice while it is sent
CHUNK_BYTES = 64 * 1024
LINK_SECONDS = 20 * 60  # 15 minutes for the reader, after the 5 that a page may have been cached


def copy_recording(link: str, *, bucket: str, key: str) -> int:
    """How many bytes were copied; the object is there whole or not at all.

    Raises ProviderUnavailable or ProviderThrottled when it may work later, BadAnswer for what must not be fetched: a
    host that is not allowed, no audio, more than 100 MB, a link that has expired.
    """
    deadline = time.monotonic() + LONGEST_SECONDS
    with fetched(link) as response:
        kind = _checked(response)
        body = _Body(response, deadline)
        try:
            aws.client("s3").upload_fileobj(
                body,  # type: ignore[arg-type] # a file that only reads
                bucket,
                key,
                ExtraArgs={"ContentType": kind},
                Config=_in_parts(),
            )
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"the recording broke off: {type(error).__name__}") from error
        except aws.errors() as error:
            raise ProviderUnavailable("the recording cannot be stored") from error
        return body.count


def exists(bucket: str, key: str) -> bool:
    """Whether it was copied. A role without s3:ListBucket is refused instead of told that nothing is there."""
    try:
        aws.client("s3").head_object(Bucket=bucket, Key=key)
    except aws.errors() as error:
        if aws.error_code(error) == "404":
            return False
        raise ProviderUnavailable("the bucket of recordings does not answer") from error
    return True


def link_for(url: str) -> str:
    """What a reader may use for the stored URL: a short-lived link for `s3://bucket/key`, any other URL as it is."""
    if not url.startswith("s3://"):
        return url
    bucket, _, key = url.removeprefix("s3://").partition("/")
    where = {"Bucket": bucket, "Key": key}
    return aws.client("s3").generate_presigned_url("get_object", Params=where, ExpiresIn=LINK_SECONDS)


class _Body:
    """An answer's body as `upload_fileobj` reads it; raises when it grows too large or takes too long."""

    def __init__(self, response: urllib3.BaseHTTPResponse, deadline: float) -> None:
        self._response = response
        self._deadline = deadline
        self.count = 0

    def read(self, amount: int = -1) -> bytes:
        """So many bytes, fewer only at the end: a part of an upload has its least size."""
        piece = bytearray()
        while amount < 0 or len(piece) < amount:
            chunk = self._response.read1(CHUNK_BYTES if amount < 0 else min(CHUNK_BYTES, amount - len(piece)))
            if not chunk:
                break
            piece += chunk
            self._count(len(chunk))
        return bytes(piece)

    def _count(self, more: int) -> None:
        self.count += more
        if self.count > MOST_BYTES:
            raise BadAnswer(f"the recording has more than {MOST_BYTES} bytes")
        if time.monotonic() > self._deadline:
            raise ProviderUnavailable(f"the recording did not arrive in {LONGEST_SECONDS:g} s")


def _checked(response: urllib3.BaseHTTPResponse) -> str:
    """The content type of an answer that may be stored."""
    status, headers = response.status, response.headers
    if status == 429:
        wait = headers.get("Retry-After", "")
        raise ProviderThrottled("recordings are throttled", retry_after=float(wait) if wait.isdecimal() else None)
    if status == 408 or status >= 500:
        raise ProviderUnavailable(f"the recording's host answers {status}")
    if status != 200:
        raise BadAnswer(f"the recording's link answers {status}")
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not (kind.startswith("audio/") or kind == "application/octet-stream") or "Content-Encoding" in headers:
        raise BadAnswer(f"the recording is {kind[:64] or 'of no type'}, not audio as it is")
    size = headers.get("Content-Length", "")
    if size.isdecimal() and int(size) > MOST_BYTES:
        raise BadAnswer(f"the recording has {size} bytes, more than {MOST_BYTES}")
    return kind


@cache
def _in_parts() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False)
