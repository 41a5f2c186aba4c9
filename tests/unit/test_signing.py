"""Signatures are botocore's, letter by letter."""

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest

from longhaul.aws import signing
from longhaul.aws.signing import Credentials, query_signer, signed_headers

HOST, PATH = "sqs.eu-west-1.amazonaws.com", "/acme/%E5%91%BC%20~1"
MOMENTS = [datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, 0, 0, 0, tzinfo=UTC)]


@pytest.fixture(params=["to/ken==", None])
def credentials(request: pytest.FixtureRequest) -> Credentials:
    return Credentials("AKIDEXAMPLE", "secret/+", request.param)


@pytest.fixture(params=MOMENTS, ids=["the last second of a day", "the first of the next"], autouse=True)
def now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_now", lambda: f"{request.param:%Y%m%dT%H%M%SZ}")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: request.param)


@pytest.mark.parametrize("service", ["sqs", "dynamodb"])
def test_a_request_is_signed_as_botocore_signs_it(credentials: Credentials, service: str) -> None:
    headers, body = {"Host": HOST, "Content-Type": "application/x-amz-json-1.0"}, "你".encode()
    expected = AWSRequest("POST", f"https://{HOST}{PATH}", headers=headers, data=body)
    SigV4Auth(credentials, service, "eu-west-1").add_auth(expected)
    assert signed_headers(credentials, "eu-west-1", service, PATH, headers, body) == dict(expected.headers)


def test_a_link_is_signed_as_botocore_signs_it(credentials: Credentials) -> None:
    expected = AWSRequest("GET", f"https://{HOST}{PATH}")
    S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=1200).add_auth(expected)
    sign = query_signer(credentials, "eu-west-1", "s3", seconds=1200)
    assert sign(HOST, "/another") != sign(HOST, PATH)
    assert f"https://{HOST}{PATH}?{sign(HOST, PATH)}" == expected.url
