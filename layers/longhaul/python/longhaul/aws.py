"""boto3 clients, made when first used: importing boto3 costs more than all else a cold start does."""

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

# (connect, read) timeouts in seconds and retries. DynamoDB answers in milliseconds or is away, and a page must not
# wait longer for its cache than for its database.
_TIMEOUTS = {"dynamodb": (0.5, 1.0, 1)}
_OTHERS = (2.0, 10.0, 3)


@overload
def client(service: Literal["dynamodb"]) -> "DynamoDBClient": ...
@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
@overload
def client(service: Literal["sqs"]) -> "SQSClient": ...
@overload
def client(service: Literal["stepfunctions"]) -> "SFNClient": ...


def client(service: str) -> Any:
    """The client of an AWS service, one an execution environment, with timeouts that fit a function's life."""
    return _client(service)


@cache
def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    connect, read, retries = _TIMEOUTS.get(service, _OTHERS)
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": retries + 1},
        signature_version="s3v4" if service == "s3" else None,  # S3's links would be version 2: none for KMS's objects
    )
    return boto3.client(service, config=config)


def errors() -> tuple[type[Exception], ...]:
    """What a client raises when its service is away or refuses; for `except aws.errors()`."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def error_code(error: BaseException) -> str:
    """The code in a ClientError's answer; empty for any other error."""
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
