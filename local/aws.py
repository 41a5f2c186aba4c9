"""AWS for this machine: the moto server, in a process of its own, with Lambda and execution events sent to the stack.

    python -m local.aws --port 3001 --runtime http://127.0.0.1:3003

moto 5.2 needs five seams to be AWS for the stack: `make_dynamodb_atomic` and the functions `_join_*` below.
"""

import argparse
import functools
import json
import logging
import os
import signal
import threading
import uuid
from typing import Any

from local.model import REGION

INVOKE_SECONDS = 1000  # longer than any function may run


def serve(port: int, runtime: str) -> None:
    """Serve until the process is killed. moto keeps everything in memory."""
    os.environ.update(AWS_DEFAULT_REGION=REGION, AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")
    os.environ["MOTO_PORT"] = str(port)  # the state machine interpreter calls back to this port
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    from moto.server import ThreadedMotoServer

    make_dynamodb_atomic()
    _join_backends()
    _join_clients()
    _join_lambda(runtime)
    _join_status_events(runtime)
    ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _replace(owner: object, name: str, value: Any) -> Any:
    """Put `value` in the place of an attribute and return what was there."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before


def make_dynamodb_atomic() -> None:
    """One action at a time: else a read sees an UpdateItem's attributes appear one by one, and two conditions hold."""
    from moto.dynamodb.responses import DynamoHandler

    acting = threading.RLock()

    def act(self: Any) -> Any:
        with acting:
            return call_action(self)

    call_action = _replace(DynamoHandler, "call_action", act)


def _join_backends() -> None:
    """State machines made by CloudFormation go to moto's simple backend; make it the one that executes them."""
    import moto.stepfunctions.models
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    _replace(moto.stepfunctions.models, "stepfunctions_backends", stepfunctions_parser_backends)
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["stepfunctions"] = {"execute_state_machine": True}


def _join_clients() -> None:
    """The interpreter makes a boto3 client for every Lambda call, which takes longer than the call: keep one."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

    making = threading.Lock()  # making a client is not safe in threads, using it is

    @functools.cache
    def kept(region: str, service: str) -> Any:
        return make(region=region, service=service)

    def client_for(region: str, service: str, **_credentials: Any) -> Any:
        with making:
            return kept(region, service)

    make = _replace(lambda_eval_utils, "boto_client_for", client_for)


def _join_lambda(runtime: str) -> None:
    """Invocations go to the stack's function processes; errors come back in the shape that AWS gives them."""
    import urllib3
    from moto.awslambda.exceptions import LambdaClientError
    from moto.awslambda_simple.models import LambdaSimpleBackend

    class Refused(LambdaClientError):
        def __init__(self, status: int, name: str, message: str) -> None:
            super().__init__(name, message)
            self.code = status

        def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
            # The interpreter fails on a refusal without one.
            return [*super().get_headers(*arguments, **named), ("x-amzn-requestid", str(uuid.uuid4()))]

    pool = urllib3.PoolManager(maxsize=64, retries=False, timeout=urllib3.Timeout(connect=5, read=INVOKE_SECONDS))

    def invoke(
        _self: Any, name: str, _qualifier: str | None, body: Any, headers: Any, response_headers: dict[str, str]
    ) -> bytes:
        kind = headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        payload = body.encode() if isinstance(body, str) else body
        url = f"{runtime}/2015-03-31/functions/{name}/invocations"
        try:
            answer = pool.request("POST", url, body=payload or b"{}", headers={"X-Amz-Invocation-Type": kind})
        except urllib3.exceptions.HTTPError as error:
            raise Refused(500, "ServiceException", repr(error)) from error
        if answer.status >= 400:
            problem = json.loads(answer.data)
            raise Refused(answer.status, problem["Type"], problem["Message"])
        if "X-Amz-Function-Error" in answer.headers:
            response_headers["x-amz-function-error"] = answer.headers["X-Amz-Function-Error"]
        return answer.data

    _replace(LambdaSimpleBackend, "invoke", invoke)


def _join_status_events(runtime: str) -> None:
    """Tell the stack when an execution ends, as EventBridge tells its rules.

    A stopped one is ABORTED at once, as in the cloud; the interpreter would wait for what runs, and then may say that
    it FAILED.
    """
    import urllib3
    from moto.stepfunctions.parser.api import ExecutionStatus
    from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution

    pool = urllib3.PoolManager(maxsize=8, retries=urllib3.Retry(3, backoff_factor=0.2))

    def tell(execution: Any) -> None:
        event = json.dumps(status_event(execution.to_describe_output()), ensure_ascii=False)
        pool.request("POST", f"{runtime}/events", body=event.encode())

    def terminated(self: Any) -> None:
        if self.execution.exec_status == ExecutionStatus.RUNNING:
            finish(self)
            tell(self.execution)

    def stopped(self: Any, stop_date: Any, error: str | None, cause: str | None) -> None:
        if self.exec_status == ExecutionStatus.RUNNING:
            self.exec_status, self.stop_date, self.error, self.cause = ExecutionStatus.ABORTED, stop_date, error, cause
            stop(self, stop_date, error, cause)
            tell(self)

    finish = _replace(BaseExecutionWorkerCommunication, "terminated", terminated)
    stop = _replace(Execution, "stop", stopped)


def status_event(execution: dict[str, Any]) -> dict[str, Any]:
    """Return the `source`, `detail-type`, `resources` and `detail` of a status change event.

    `execution` is what DescribeExecution answers.
    """
    detail = {
        key: execution.get(key)
        for key in ("executionArn", "stateMachineArn", "name", "input", "output", "error", "cause")
    }
    detail["status"] = str(getattr(execution["status"], "value", execution["status"]))
    for key in ("startDate", "stopDate"):
        detail[key] = int(execution[key].timestamp() * 1000)
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "resources": [execution["executionArn"]],
        "detail": detail,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="moto, joined to the local stack")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--runtime", required=True, help="where the stack's runtime listens")
    arguments = parser.parse_args()
    serve(arguments.port, arguments.runtime)
