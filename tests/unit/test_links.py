"""Links are boto3's presigned URLs."""

import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from longhaul import aws
from longhaul.aws import links

KEY = "acme/呼叫 1+2=3&~(a).mp3"
VARIABLES = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "to/ken=="}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Clients know their endpoint: none is left to the tests that follow."""
    yield
    aws._client.cache_clear()


@pytest.mark.parametrize("bucket", ["recordings", "rec.ord.ings"])
@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:5000", "http://MinIO:80", "https://s3.example.com:443"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-south-2", "cn-north-1"])
def test_a_link_is_boto3s(monkeypatch: pytest.MonkeyPatch, bucket: str, endpoint: str, region: str) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**VARIABLES, "AWS_DEFAULT_REGION": region, "AWS_ENDPOINT_URL": endpoint}.items():
        if value:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it knows its credentials
    aws._client.cache_clear()
    expected = aws.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": KEY}, ExpiresIn=1200
    )
    aws._client.cache_clear()
    made = links.signed(bucket, KEY, seconds=1200)
    assert without_time(made) == without_time(expected)
    assert len(made) == len(expected)


def without_time(link: str) -> dict[str, Any]:
    """A link's parts in their order, but for the second that it was made in and the signature over it."""
    address, _, query = link.partition("?")
    parts = [part.partition("=") for part in query.split("&")]
    return {"address": address} | {
        name: value for name, _, value in parts if name not in ("X-Amz-Date", "X-Amz-Signature")
    }
