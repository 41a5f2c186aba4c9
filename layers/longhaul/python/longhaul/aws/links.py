"""Links to objects in S3 that whoever has them may read for a while.

    links.signed("recordings", "acme/call.mp3", seconds=1200)

They are boto3's presigned URLs, letter by letter (a test compares them), made by botocore's signer alone. boto3's
client resolves the endpoint and serializes a request for each link, which took longer than the query for a page of
them, and loads S3's model for the first.
"""

import os
from urllib.parse import quote

from longhaul import aws
from longhaul.aws import lean


def signed(bucket: str, key: str, *, seconds: int) -> str:
    """A link to read the object, for so long. Nothing is sent to S3."""
    known = lean.signing() if "." not in bucket else None  # such a bucket is no host of S3's certificate
    if known is None:
        return _by_boto3(bucket, key, seconds)
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("GET", address(known.region, bucket) + quote(key, safe="/~"))
    S3SigV4QueryAuth(known.credentials(), "s3", known.region, expires=seconds).add_auth(request)
    return str(request.url)


def address(region: str, bucket: str) -> str:
    """The bucket's address: a host below its region's, or a path on a stand-in's (`aws._s3_options` says why)."""
    chosen = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if chosen:
        return f"{chosen.rstrip('/')}/{bucket}/"
    return lean.endpoint("s3", region).replace("://", f"://{bucket}.", 1)


def _by_boto3(bucket: str, key: str, seconds: int) -> str:
    params = {"Bucket": bucket, "Key": key}
    return aws.client("s3").generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
