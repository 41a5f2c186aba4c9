"""Links to objects in S3 that whoever has them may read for a while.

    links.signed("recordings", "acme/call.mp3", seconds=1200)

They are boto3's presigned URLs, letter by letter (a test compares them). boto3's client resolves the endpoint and
serializes a request for each link, which took longer than the query for a page of them, and loads S3's model for the
first.
"""

import os
from collections.abc import Callable
from functools import cache
from urllib.parse import SplitResult, quote, urlsplit

from longhaul import aws
from longhaul.aws import lean
from longhaul.aws.signing import query_signer

_PORTS = {"http": 80, "https": 443}

type Sign = Callable[[str, str], str]
"""Gives the link to an object: of a bucket, with a key. Nothing is sent to S3."""


def signed(bucket: str, key: str, *, seconds: int) -> str:
    """A link to read the object, for so long."""
    return signer(seconds=seconds)(bucket, key)


def signer(*, seconds: int) -> Sign:
    """What makes many links at one moment: it looks at the environment once."""
    known = lean.signing()
    if known is None:
        return lambda bucket, key: _by_boto3(bucket, key, seconds)
    sign_query = query_signer(known.credentials(), known.region, "s3", seconds=seconds)

    @cache
    def place(bucket: str) -> tuple[str, str, str]:
        """What a link begins with, the host that is signed, and the path before the key."""
        where = urlsplit(address(known.region, bucket))
        return f"{where.scheme}://{where.netloc}", _host(where), where.path

    def sign(bucket: str, key: str) -> str:
        if "." in bucket:  # it is no host of S3's certificate
            return _by_boto3(bucket, key, seconds)
        begin, host, path = place(bucket)
        path += quote(key, safe="/~")
        return f"{begin}{path}?{sign_query(host, path)}"

    return sign


def _host(where: SplitResult) -> str:
    """The host as a browser sends it: in small letters, without the scheme's own port."""
    name = where.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if where.port in (None, _PORTS[where.scheme]) else f"{name}:{where.port}"


def address(region: str, bucket: str) -> str:
    """The bucket's address: a host below its region's, or a path on a stand-in's (`aws._s3_options` says why)."""
    chosen = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if chosen:
        return f"{chosen.rstrip('/')}/{bucket}/"
    return lean.endpoint("s3", region).replace("://", f"://{bucket}.", 1)


def _by_boto3(bucket: str, key: str, seconds: int) -> str:
    params = {"Bucket": bucket, "Key": key}
    return aws.client("s3").generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
