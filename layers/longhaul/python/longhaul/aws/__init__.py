"""boto3 clients, made when first used: importing boto3 costs more than all else a cold start does."""

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

# (connect, read) timeouts in seconds and retries. DynamoDB answers in milliseconds or is away, and a page must not
# wait longer for its cache than for its database. A mail is not sent again by the client: one whose answer was lost may
# have been sent. Alerts wait for the topic within the seconds that are left to notify of them, and are sent again.
_TIMEOUTS = {"dynamodb": (0.5, 1.0, 1), "sesv2": (2.0, 10.0, 0), "sns": (1.0, 4.0, 0)}
_OTHERS = (2.0, 10.0, 3)

# Of the services that every request calls. What is typed here needs no check at run time, and the text that botocore
# makes of the machine for each request (four times) tells nobody anything: together a fifth of a call.
_HOT: dict[str, Any] = {"parameter_validation": False, "user_agent": "longhaul"}

# Codes with a status below 500 that say "later" all the same, of the services we call and of KMS behind them.
_AWAY = frozenset(
    {
        "DecryptionFailure",  # Secrets Manager's: KMS did not answer
        "KMSInternalException",
        "KMSThrottlingException",
        "KmsThrottled",
        "KMS.ThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


@overload
def client(service: Literal["dynamodb"]) -> "DynamoDBClient": ...
@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
@overload
def client(service: Literal["sesv2"]) -> "SESV2Client": ...
@overload
def client(service: Literal["sns"]) -> "SNSClient": ...
@overload
def client(service: Literal["sqs"]) -> "SQSClient": ...
@overload
def client(service: Literal["stepfunctions"]) -> "SFNClient": ...


def client(service: str) -> Any:
    """The client of an AWS service, one an execution environment, with timeouts that fit a function's life."""
    return _client(service)


def whole_client(service: str) -> Any:
    """As `client`, and boto3's in any case: for what catches a client's own exceptions."""
    made = _client(service)
    return made.whole if hasattr(type(made), "whole") else made


@cache
def _client(service: str) -> Any:
    from longhaul.aws import lean

    connect, read, retries = _TIMEOUTS.get(service, _OTHERS)
    made = lean.client(service, (connect, read), retries, lambda: _boto3_client(service))
    return made or _boto3_client(service)


def _boto3_client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    connect, read, retries = _TIMEOUTS.get(service, _OTHERS)
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": retries + 1},
        **(_s3_options() if service == "s3" else {}),
        **(_HOT if service in ("dynamodb", "sqs") else {}),
    )
    return boto3.client(service, config=config)


def _s3_options() -> dict[str, Any]:
    """For links that work in every region, which `bucket.s3.amazonaws.com` does not in those opened since 2019.

    The bucket is a host below its region's (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html),
    but a path on a stand-in's address; the signature is version 4, as KMS's objects need.
    """
    elsewhere = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    style = {"addressing_style": "path" if elsewhere else "virtual", "us_east_1_regional_endpoint": "regional"}
    return {"signature_version": "s3v4", "s3": style}


def errors() -> tuple[type[Exception], ...]:
    """What a client raises when its service is away or refuses; for `except aws.errors()`."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def is_away(error: BaseException) -> bool:
    """Whether the error is a client's and says that its service, or the way to it, may be well again soon.

    What says that we are wrong (a parameter, a permission, a name) is not.
    """
    if "botocore.exceptions" not in sys.modules:  # no client has raised it, and its import is slow
        return False
    from botocore.exceptions import (
        ClientError,
        ConnectionError,
        CredentialRetrievalError,
        HTTPClientError,
        IncompleteReadError,
    )

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or error_code(error) in _AWAY
    return isinstance(error, ConnectionError | CredentialRetrievalError | HTTPClientError | IncompleteReadError)


def error_code(error: BaseException) -> str:
    """The code in a ClientError's answer; empty for any other error, whose `response` may be there and None."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
