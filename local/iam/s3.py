"""What a request to S3 needs. https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import unescape

from local.iam.policies import Need

# Query parameters that make another operation of a request, and its action; without one: OBJECT and BUCKET.
OBJECT_PARTS = {
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "versionId"): "GetObjectVersion",
    ("HEAD", "versionId"): "GetObjectVersion",
    ("DELETE", "versionId"): "DeleteObjectVersion",
}
OBJECT = {
    "GET": "GetObject",
    "HEAD": "GetObject",
    "PUT": "PutObject",
    "POST": "PutObject",
    "DELETE": "DeleteObject",
}
BUCKET_PARTS = {
    "uploads": "ListBucketMultipartUploads",
    "versions": "ListBucketVersions",
    "location": "GetBucketLocation",
}
BUCKET = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}

_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


def needs(environ: Mapping[str, Any], body: Callable[[], bytes]) -> Iterator[Need]:
    """Yield what a WSGI request to S3 needs, addressed by path (`/bucket/key`)."""
    method = environ["REQUEST_METHOD"]
    bucket, key = _address(environ)
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if not bucket:
        yield Need("s3:ListAllMyBuckets", ("*",))
    elif not key:
        yield from _of_bucket(method, bucket, query, body)
    else:
        action = next((OBJECT_PARTS[method, part] for part in query if (method, part) in OBJECT_PARTS), OBJECT[method])
        yield Need(f"s3:{action}", (_object(bucket, key),))
        if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
            yield Need("s3:GetObject", (f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}",))
        if "HTTP_X_AMZ_TAGGING" in environ:
            yield Need("s3:PutObjectTagging", (_object(bucket, key),))


def listing_of(environ: Mapping[str, Any]) -> Need | None:
    """Return what tells a missing object (404) from one that may not be known of (403); None for other requests."""
    bucket, key = _address(environ)
    if key and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return Need("s3:ListBucket", (f"arn:aws:s3:::{bucket}",))
    return None


def _of_bucket(method: str, bucket: str, query: Mapping[str, Any], body: Callable[[], bytes]) -> Iterator[Need]:
    arn = f"arn:aws:s3:::{bucket}"
    if method == "POST" and "delete" in query:
        for key in dict.fromkeys(_KEY.findall(body())):
            yield Need("s3:DeleteObject", (_object(bucket, unescape(key.decode())),))
        return
    part = next((part for part in query if part in BUCKET_PARTS), None)
    yield Need(f"s3:{BUCKET_PARTS[part] if part else BUCKET.get(method, 'PutObject')}", (arn,))


def _address(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Return bucket and key. WSGI gives the path's bytes as Latin-1."""
    path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key


def _object(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"
