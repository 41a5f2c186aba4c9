"""The files of videos: copied from the provider at once, since it keeps them for a day; linked for 15 minutes.

A file's key is `tenant/task/scene/kind-version.suffix`: a step that runs again writes the same object again.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from longhaul import aws, settings
from longhaul.aws import links
from longhaul.downloads import Wanted, download
from longhaul.errors import AwsUnavailable
from videos.model import CONTENT_TYPES, SUFFIXES, Part

LINK_SECONDS = 900
ERA_SECONDS = 300
PIECE_BYTES = 1024 * 1024
MAX_BYTES = {Part.frame: 30 * 1024 * 1024, Part.clip: 300 * 1024 * 1024}
MAX_SECONDS = 300.0
DELETED_AT_ONCE = 1_000  # S3's most
LISTED_AT_ONCE = 1_000  # as above
PLACE = "swept-until"  # an object of the bucket's own, beside all videos


def key_of(tenant_id: str, video_id: str, sequence_number: int, kind: Part, version: int) -> str:
    suffix = SUFFIXES[CONTENT_TYPES[kind]]
    return f"{prefix_of(tenant_id, video_id)}{sequence_number:03d}/{kind}-{version}.{suffix}"


def prefix_of(tenant_id: str, video_id: str) -> str:
    """What the keys of all files of a video begin with."""
    return f"{quote(tenant_id, safe='')}/{quote(video_id, safe='')}/"


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of its own on the function's disk, gone after the block."""
    with tempfile.TemporaryDirectory(prefix="video-") as made:
        yield Path(made)


def fetch(link: str, kind: Part, path: Path) -> None:
    """Download what a job has made. Raises as `longhaul.downloads` does."""
    hosts = settings.of(settings.Dashscope).video_hosts
    wanted = Wanted(kind, hosts, (CONTENT_TYPES[kind].split("/")[0],), MAX_BYTES[kind], MAX_SECONDS)
    with download(link, wanted) as file, path.open("wb") as out:
        while piece := file.read(PIECE_BYTES):
            out.write(piece)


def upload(path: Path, key: str, kind: Part) -> None:
    """Here and below: raises AwsUnavailable."""
    try:
        with path.open("rb") as file:
            aws.client("s3").upload_fileobj(file, _bucket(), key, ExtraArgs={"ContentType": CONTENT_TYPES[kind]})
    except aws.errors() as error:
        raise AwsUnavailable(f"the {kind} cannot be stored") from error


def read_into(key: str, path: Path) -> None:
    from s3transfer.exceptions import RetriesExceededError  # as late as the client that raises it

    try:
        with path.open("wb") as file:
            aws.client("s3").download_fileobj(_bucket(), key, file)
    except aws.errors() as error:
        raise AwsUnavailable(f"{key} cannot be read") from error
    except RetriesExceededError:  # it stalled, or broke off, each time
        raise AwsUnavailable(f"{key} cannot be read to its end") from None


def link_to(key: str, seconds: int = LINK_SECONDS) -> str:
    """A link that works for so long. It is made here, without a request."""
    return links.signed(_bucket(), key, seconds=seconds)


@lru_cache(maxsize=4096)
def known_link(key: str, era: int) -> str:
    """The link to a key that was made first in this era: signing again for each reader costs more than reading.

    It works for LINK_SECONDS from any moment of the era.
    """
    return link_to(key, LINK_SECONDS + ERA_SECONDS)


def delete_video(tenant_id: str, video_id: str) -> int:
    """Delete all files of a video; how many they were."""
    return sum(delete(keys) for keys, _ in list_keys(prefix_of(tenant_id, video_id)))


def list_keys(prefix: str = "", after: str = "") -> Iterator[tuple[list[str], str]]:
    """Keys of the bucket in their order, a page at a time, each with the last one's: listing goes on after that."""
    s3, start = aws.client("s3"), after
    try:
        while True:
            page = s3.list_objects_v2(Bucket=_bucket(), Prefix=prefix, StartAfter=start, MaxKeys=LISTED_AT_ONCE)
            keys = [found["Key"] for found in page.get("Contents", [])]
            if keys:
                start = keys[-1]
                yield keys, start
            if not page.get("IsTruncated"):
                return
    except aws.errors() as error:
        raise AwsUnavailable("the bucket of videos cannot be listed") from error


def find_place() -> str:
    """The key that the sweep of this bucket has come to; empty at its beginning."""
    try:
        place: str = aws.client("s3").get_object(Bucket=_bucket(), Key=PLACE)["Body"].read().decode()
    except aws.client("s3").exceptions.NoSuchKey:
        return ""
    except aws.errors() as error:
        raise AwsUnavailable("the place of the sweep cannot be read") from error
    return place


def save_place(key: str) -> None:
    try:
        aws.client("s3").put_object(Bucket=_bucket(), Key=PLACE, Body=key.encode())
    except aws.errors() as error:
        raise AwsUnavailable("the place of the sweep cannot be stored") from error


def delete(keys: list[str]) -> int:
    for first in range(0, len(keys), DELETED_AT_ONCE):
        some = keys[first : first + DELETED_AT_ONCE]
        try:
            answer = aws.client("s3").delete_objects(
                Bucket=_bucket(), Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
            )
        except aws.errors() as error:
            raise AwsUnavailable("files of videos cannot be deleted") from error
        if refused := answer.get("Errors"):  # S3 answers 200 all the same
            raise AwsUnavailable(f"{len(refused)} files cannot be deleted: {refused[0].get('Code')}")
    return len(keys)


def _bucket() -> str:
    bucket: str = settings.of(settings.Videos).videos_bucket
    return bucket
