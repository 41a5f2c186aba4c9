"""Lambda's Invoke, sent to the stack's function processes, with errors in the shape that AWS gives them.

A state machine's invocation takes a short way: it is checked by the guard and sent, without the HTTP request to this
same process that moto's interpreter makes of it, which computes for longer than the stack does.
"""

import io
import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import urllib3

from local.aws import replace
from local.iam import credentials
from local.iam.guard import Guard

INVOKE_SECONDS = 1000  # longer than any function may run


class Refusal(Exception):
    """What Lambda's error has: status, name, message and perhaps a reason."""

    def __init__(self, status: int, name: str, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
        self.reason = reason


class Functions:
    """The stack's functions, by the address of its runtime."""

    def __init__(self, runtime: str) -> None:
        self._runtime = runtime
        timeout = urllib3.Timeout(connect=5, read=INVOKE_SECONDS)
        self._pool = urllib3.PoolManager(maxsize=64, retries=False, timeout=timeout)

    def invoke(self, name: str, payload: bytes, kind: str = "RequestResponse") -> tuple[bytes, str | None]:
        """Return the function's answer, and the name of its error if it failed. Raises Refusal."""
        url = f"{self._runtime}/2015-03-31/functions/{name}/invocations"
        try:
            answer = self._pool.request("POST", url, body=payload or b"{}", headers={"X-Amz-Invocation-Type": kind})
        except urllib3.exceptions.HTTPError as error:
            raise Refusal(500, "ServiceException", repr(error)) from error
        if answer.status >= 400:
            problem = json.loads(answer.data)
            raise Refusal(answer.status, problem["Type"], problem["Message"], problem.get("Reason"))
        return answer.data, answer.headers.get("X-Amz-Function-Error")


def join(runtime: str, guard: Guard) -> None:
    """Have this process's moto invoke the functions of the stack."""
    functions = Functions(runtime)
    _join_lambda(functions)
    _join_interpreter(functions, guard)


def _join_lambda(functions: Functions) -> None:
    from moto.awslambda.exceptions import LambdaClientError
    from moto.awslambda_simple.models import LambdaSimpleBackend

    class Refused(LambdaClientError):
        def __init__(self, refusal: Refusal) -> None:
            super().__init__(refusal.name, refusal.message)
            self.code = refusal.status
            if refusal.reason is not None:
                problem = {"Reason": refusal.reason, "Type": "User", "message": refusal.message}
                self.description = json.dumps(problem)

        def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
            # The interpreter fails on an error without this header.
            return [*super().get_headers(*arguments, **named), ("x-amzn-requestid", str(uuid.uuid4()))]

    def invoke(
        _self: Any, name: str, _qualifier: str | None, body: Any, headers: Any, response_headers: dict[str, str]
    ) -> bytes:
        kind = headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        try:
            answer, failed = functions.invoke(name, body.encode() if isinstance(body, str) else body, kind)
        except Refusal as refusal:
            raise Refused(refusal) from refusal
        if failed is not None:
            response_headers["x-amz-function-error"] = failed
        return answer

    replace(LambdaSimpleBackend, "invoke", invoke)


def _join_interpreter(functions: Functions, guard: Guard) -> None:
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

    replace(lambda_eval_utils, "_invoke_lambda_function", invocation(functions, guard))


def invocation(functions: Functions, guard: Guard) -> Callable[..., dict[str, Any]]:
    """Return what invokes a function for a state machine, in the name of its role."""
    from botocore.exceptions import ClientError

    def error(status: int, name: str, message: str) -> ClientError:
        metadata: Any = {"HTTPStatusCode": status, "RequestId": str(uuid.uuid4())}
        return ClientError({"Error": {"Code": name, "Message": message}, "ResponseMetadata": metadata}, "Invoke")

    def invoke(parameters: dict[str, Any], region: str, state_credentials: Any) -> dict[str, Any]:
        name, payload = parameters["FunctionName"], parameters.get("Payload") or b"{}"
        signed = credentials.headers_of_role(credentials.role_of(state_credentials.role_arn), "lambda")
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/2015-03-31/functions/{name}/invocations",
            "QUERY_STRING": urlencode({"Qualifier": parameters["Qualifier"]}) if "Qualifier" in parameters else "",
            "wsgi.input": io.BytesIO(),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed.items()},
        }
        if (refusal := guard.refusal(environ)) is not None:
            denied = dict(refusal.headers)["x-amzn-ErrorType"]
            raise error(int(refusal.status[:3]), denied, json.loads(refusal.body)["message"])
        try:
            answer, failed = functions.invoke(name, payload)
        except Refusal as refused:
            raise error(refused.status, refused.name, refused.message) from refused
        try:
            content = json.loads(answer)
        except ValueError:
            content = answer.decode()
        return {"StatusCode": 200, "Payload": content, **({"FunctionError": failed} if failed else {})}

    return invoke
