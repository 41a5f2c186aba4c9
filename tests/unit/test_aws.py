"""AWS's clients: where a link to S3 leads, and what an error says when no answer came."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)

from calls import pages
from longhaul import aws
from longhaul.aws import links

URL = "http://127.0.0.1:1"


@pytest.fixture
def region(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", request.param)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    aws._client.cache_clear()
    yield request.param
    aws._client.cache_clear()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("ap-east-1", "recordings-1.s3.ap-east-1.amazonaws.com"),
        ("ap-southeast-3", "recordings-1.s3.ap-southeast-3.amazonaws.com"),
        ("us-east-1", "recordings-1.s3.us-east-1.amazonaws.com"),
        ("cn-north-1", "recordings-1.s3.cn-north-1.amazonaws.com.cn"),
    ],
    indirect=["region"],
)
def test_a_link_names_the_bucket_below_its_region(region: str, host: str) -> None:
    link = urlsplit(pages.link_for("s3://recordings-1/acme/call 1.wav", links.signer(seconds=1200)))
    assert (link.scheme, link.netloc, link.path) == ("https", host, "/acme/call%201.wav")
    assert f"%2F{region}%2Fs3%2Faws4_request" in link.query


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("region", ["us-east-1"], indirect=True)
def test_a_stand_in_has_the_bucket_in_its_path(region: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:3001")
    link = urlsplit(pages.link_for("s3://recordings-1/acme/1.wav", links.signer(seconds=1200)))
    assert (link.netloc, link.path) == ("127.0.0.1:3001", "/recordings-1/acme/1.wav")


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        HTTPClientError(error="reset"),
        ValueError("no error of AWS"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_answer_that_did_not_come_has_no_code(error: Exception) -> None:
    """Botocore gives some of these a `response` that is None."""
    assert aws.error_code(error) == ""


def test_the_code_of_a_refusal() -> None:
    refused = ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")
    assert aws.error_code(refused) == "ConditionalCheckFailedException"
