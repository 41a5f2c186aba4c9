"""The moto server, with Lambda and execution events sent to the stack.

moto 5.2 differs from AWS in eight places that matter here. `make_dynamodb_atomic`, `quotas.enforce`, `mailbox.keep`,
`shortcut.join` and the functions `_join_*` change those.
"""

import functools
import json
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from local.aws import executions, functions, interpreter, mailbox, quotas, replace, replace_everywhere
from local.aws.functions import INVOKE_SECONDS
from local.iam import credentials
from local.iam.guard import Guard
from local.template.model import REGION

EVENT_DATA_BYTES = 248 * 1024  # of the escaped input and output of an execution, together


def serve(port: int, runtime: str, guard: Guard, mail: Path) -> None:
    """Serve until the process is killed. moto keeps everything in memory; mails become files in the folder `mail`."""
    os.environ.update(AWS_DEFAULT_REGION=REGION, AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")
    os.environ["MOTO_PORT"] = str(port)  # the state machine interpreter calls back to this port
    logging.basicConfig(level=logging.WARNING)
    from local.aws import shortcut, unread  # moto reads the variables above when it is imported
    from local.aws.http import AwsServer

    unread.skip()  # before anything imports EC2
    shortcut.join()  # before the guard, which stands before all of it
    forget_models()
    make_dynamodb_atomic()
    quotas.enforce()
    executions.parse_once()
    interpreter.quicken()
    mailbox.keep(mail)
    _join_backends()
    _join_clients(port)
    functions.join(runtime, guard)
    _join_status_events(runtime)
    _join_guard(guard)
    AwsServer(port).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


@functools.cache
def forget_models() -> None:
    """Let a deleted message, item or object be gone. moto lists all that were ever made, for a reset and a page."""
    from moto.core.common_models import BaseModel

    replace(BaseModel, "__new__", lambda cls, *_, **__: super(BaseModel, cls).__new__(cls))


def make_dynamodb_atomic() -> None:
    """Run one action at a time. Otherwise a read sees an UpdateItem's attributes appear one by one, and two conditional
    writes both succeed."""
    from moto.dynamodb.responses import DynamoHandler

    acting = threading.RLock()

    def act(self: Any) -> Any:
        with acting:
            return call_action(self)

    call_action = replace(DynamoHandler, "call_action", act)


def _join_backends() -> None:
    """Let CloudFormation create state machines in the backend that executes them, instead of moto's simple one."""
    import moto.stepfunctions.models
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    replace(moto.stepfunctions.models, "stepfunctions_backends", stepfunctions_parser_backends)
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["stepfunctions"] = {"execute_state_machine": True}


def _join_guard(guard: Guard) -> None:
    """Check each request before moto dispatches it, whatever server carries it."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    def guarded(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        return guard(functools.partial(dispatch, self), environ, start_response)

    dispatch = replace(DomainDispatcherApplication, "__call__", guarded)


def _join_clients(port: int) -> None:
    """Let the interpreter call AWS in the name of its state machine's role, which the guard checks.

    A client is kept: the interpreter makes one for each call, which takes longer than the call.
    """
    import boto3
    from botocore.config import Config
    from moto.stepfunctions.parser.asl.utils import boto_client

    making = threading.Lock()  # creating a client is not thread-safe, using it is
    config = Config(
        parameter_validation=False,
        retries={"total_max_attempts": 1},
        connect_timeout=INVOKE_SECONDS,
        read_timeout=INVOKE_SECONDS,
        max_pool_connections=64,
        proxies={},
    )

    @functools.cache
    def kept(region: str, service: str, role: str) -> Any:
        keys = credentials.of_role(role)
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
            config=config,
        )

    def client_for(region: str, service: str, state_credentials: Any) -> Any:
        with making:
            return kept(region, service, credentials.role_of(state_credentials.role_arn))

    replace_everywhere(boto_client, "boto_client_for", client_for)


def _join_status_events(runtime: str) -> None:
    """Send the stack an event when an execution ends, as EventBridge would.

    A stopped execution is ABORTED at once, as in the cloud. The interpreter would wait for what runs, and might then
    report FAILED.
    """
    import urllib3
    from moto.stepfunctions.parser.api import ExecutionStatus
    from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution

    pool = urllib3.PoolManager(maxsize=8, retries=urllib3.Retry(3, backoff_factor=0.2))

    def notify(execution: Any) -> None:
        executions.ended(execution)
        event = json.dumps(status_event(execution.to_describe_output()), ensure_ascii=False)
        pool.request("POST", f"{runtime}/events", body=event.encode())

    def terminated(self: Any) -> None:
        if self.execution.exec_status == ExecutionStatus.RUNNING:
            finish(self)
            notify(self.execution)

    def stopped(self: Any, stop_date: Any, error: str | None, cause: str | None) -> None:
        if self.exec_status == ExecutionStatus.RUNNING:
            self.exec_status, self.stop_date, self.error, self.cause = ExecutionStatus.ABORTED, stop_date, error, cause
            stop(self, stop_date, error, cause)
            notify(self)

    finish = replace(BaseExecutionWorkerCommunication, "terminated", terminated)
    stop = replace(Execution, "stop", stopped)


def status_event(execution: dict[str, Any]) -> dict[str, Any]:
    """Return the `source`, `detail-type`, `resources` and `detail` of a status change event.

    `execution` is the response of DescribeExecution. An output, or else an input, that is too large is left out:
    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    detail: dict[str, Any] = {
        key: execution.get(key)
        for key in ("executionArn", "stateMachineArn", "name", "input", "output", "error", "cause")
    }
    detail["status"] = str(getattr(execution["status"], "value", execution["status"]))
    for key in ("startDate", "stopDate"):
        detail[key] = int(execution[key].timestamp() * 1000)
    room = EVENT_DATA_BYTES
    for key in ("output", "input"):
        size = len(json.dumps(detail[key], ensure_ascii=False).encode())
        detail[f"{key}Details"] = {"included": size <= room}
        if size > room:
            detail[key] = None
        else:
            room -= size
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "resources": [execution["executionArn"]],
        "detail": detail,
    }
