"""Calling a function's handler as Lambda does."""

from aws_lambda_powertools.utilities.typing import LambdaContext


class Context(LambdaContext):
    """What Lambda passes beside the event."""

    def __init__(self) -> None:
        self._function_name = "function"
        self._memory_limit_in_mb = 128
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
        self._aws_request_id = "a-lambda-request"
