"""What Lambda and the HTTP API limit, passed on purpose: each limit's error is the cloud's."""

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from botocore.exceptions import ClientError

import local.runtime.runtime
from local.aws.event_sources import Poller, Queues
from local.gateway.console import Console
from local.gateway.gateway import Gateway
from local.gateway.tokens import Issuer
from local.iam.guard import Guard
from local.logs import log_path
from local.machine import free_port
from local.options import StackError
from local.running import RunningStack, local_stack
from local.runtime import limits
from local.runtime.limits import EVENT_BYTES, REQUEST_BYTES, RESPONSE_BYTES, Concurrency, PayloadTooLarge, Throttled
from local.runtime.runtime import Runtime
from local.template.model import Api, Function, QueueMapping, Route, TemplateError
from tests.runtime import payload, run

MEMORY = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process had")
ECHO = Function("Echo", "app.echo", timeout=30, memory=300)
HOLD = Function("Hold", "app.hold", timeout=60)


def event(size: int) -> bytes:
    """Return an event of so many bytes."""
    return json.dumps({"pad": "x" * (size - len('{"pad": ""}'))}).encode()


def code_of(call: Callable[..., Any], **parameters: Any) -> tuple[str, str, int]:
    """Return the error of a call to AWS: its code, its message, its HTTP status."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    error = refused.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def test_a_request_of_6_mb_is_taken_and_not_a_byte_more(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        assert not (await runtime.invoke("Reply", event(REQUEST_BYTES))).failed
        with pytest.raises(PayloadTooLarge):
            await runtime.invoke("Reply", event(REQUEST_BYTES + 1))

    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "app.py").write_text("def reply(event, context): return len(event['pad'])")
    run(tmp_path, work, Function("Reply", "app.reply", timeout=30))


def test_an_answer_over_6_mb_is_the_functions_error_and_the_process_goes_on(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        assert not (await runtime.invoke("Reply", b'{"bytes": %d}' % RESPONSE_BYTES)).failed
        outcome = await runtime.invoke("Reply", b'{"bytes": %d}' % (RESPONSE_BYTES + 1))
        assert outcome.failed
        assert payload(outcome) == {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size (6291557 bytes) exceeded maximum allowed payload size "
            "(6291556 bytes).",
        }
        assert not (await runtime.invoke("Reply", b'{"bytes": 2}')).failed
        assert runtime.pools["Reply"].workers[0].invocations == 3

    run(tmp_path, work, Function("Reply", "app.reply", timeout=30))


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [
        (
            "RequestResponse",
            REQUEST_BYTES + 1,
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        ),
        ("Event", EVENT_BYTES + 1, "1048577 byte payload is too large for the Event invocation type (limit 1048576 "),
    ],
)
def test_an_invocation_that_is_too_large_gets_lambdas_error(
    stack: RunningStack, kind: str, size: int, message: str
) -> None:
    invoke = stack.aws("lambda").invoke
    code, said, status = code_of(invoke, FunctionName="longhaul-Serve", InvocationType=kind, Payload=event(size))
    assert (code, status) == ("RequestEntityTooLargeException", 413)
    assert said.startswith(message)


class OneBatch(Queues):
    """A queue that has some messages once, and then none."""

    def __init__(self, bodies: list[str]) -> None:
        self.messages = [
            {"MessageId": str(number), "ReceiptHandle": str(number), "Body": body} for number, body in enumerate(bodies)
        ]
        self.deleted: list[str] = []
        self.asked_again = asyncio.Event()

    async def receive(self, url: str, count: int, wait: int = 0) -> list[dict[str, Any]]:
        given, self.messages = self.messages[:count], self.messages[count:]
        if not given:
            self.asked_again.set()
            await asyncio.sleep(0.01)
        return given

    async def delete(self, url: str, messages: list[dict[str, Any]]) -> None:
        self.deleted += [message["MessageId"] for message in messages]


def polled(root: Path, function: Function, bodies: list[str], until: Callable[[OneBatch], Awaitable[bool]]) -> OneBatch:
    """Return the queue after a poller has carried its messages to the function, one batch after the other."""
    queues = OneBatch(bodies)

    async def work(runtime: Runtime) -> None:
        mapping = QueueMapping("Queue", function.name, batch_size=len(bodies), concurrency=2)
        polling = asyncio.create_task(Poller(mapping, "url", "arn", queues, runtime).run())
        async with asyncio.timeout(60):
            while not await until(queues):
                await asyncio.sleep(0.01)
        assert not polling.done()
        polling.cancel()
        await asyncio.wait([polling])

    run(root, work, function)
    return queues


def test_a_batch_over_6_mb_reaches_the_function_in_parts(tmp_path: Path) -> None:
    """SQS counts a quotation mark as one byte. The event, which is JSON, has two for it."""

    async def until(queues: OneBatch) -> bool:
        return len(queues.deleted) == 20

    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "app.py").write_text(
        "def count(event, context): print('records', len(event['Records'])); return {}"
    )
    polled(tmp_path, Function("Count", "app.count", timeout=30), ['"' * 262_144] * 20, until)
    lines = log_path(tmp_path / "logs", "Count").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("records")] == ["records 10", "records 10"]


def test_messages_of_a_throttled_function_stay_in_their_queue_and_polling_goes_on(tmp_path: Path) -> None:
    async def until(queues: OneBatch) -> bool:
        return queues.asked_again.is_set()

    queues = polled(tmp_path, Function("Echo", "app.echo", reserved=0), ["one", "two"], until)
    assert queues.deleted == []


@MEMORY
def test_a_process_that_passes_its_memory_is_killed_and_reported(tmp_path: Path) -> None:
    # GIVEN a function of 128 MB
    async def work(runtime: Runtime) -> None:
        assert payload(await runtime.invoke("Hoard", b'{"megabytes": 20}')) == 20 * 1024 * 1024

        # WHEN it holds 200 for longer than any test waits
        outcome = await runtime.invoke("Hoard", b'{"megabytes": 200, "seconds": 600}')

        # THEN it was killed, with Lambda's error, and the next call has a new process
        assert outcome.failed
        assert payload(outcome)["errorType"] == "Runtime.OutOfMemory"
        assert payload(outcome)["errorMessage"].startswith("RequestId: ")
        assert payload(outcome)["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
        assert not (await runtime.invoke("Hoard", b'{"megabytes": 20}')).failed

    run(tmp_path, work, Function("Hoard", "app.hoard", timeout=900, memory=128))
    lines = log_path(tmp_path / "logs", "Hoard").read_text(encoding="utf-8").splitlines()
    reports = [line.split("\t") for line in lines if line.startswith("REPORT")]
    assert [report[2] for report in reports] == ["Memory Size: 128 MB"] * 3
    assert reports[1][3:] == ["Max Memory Used: 128 MB", "Status: error", "Error Type: Runtime.OutOfMemory"]
    assert "Init Duration" in reports[2][4]


@MEMORY
def test_memory_that_was_passed_between_two_looks_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.runtime.runtime, "MEMORY_SECONDS", 3600)

    async def work(runtime: Runtime) -> None:
        outcome = await runtime.invoke("Hoard", b'{"megabytes": 200}')
        assert payload(outcome)["errorType"] == "Runtime.OutOfMemory"

    run(tmp_path, work, Function("Hoard", "app.hoard", timeout=60, memory=128))


def test_the_accounts_concurrency_is_shared_by_all_functions_that_reserve_none(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        # GIVEN an account that may run two at once, and two functions at work
        done = str(tmp_path / "done")
        held = [asyncio.create_task(runtime.invoke("Hold", json.dumps({"until": done}).encode())) for _ in range(2)]
        await asyncio.sleep(0)

        # WHEN another function is called, THEN it is throttled
        with pytest.raises(Throttled) as refused:
            await runtime.invoke("Echo", b"{}")
        assert (refused.value.status, refused.value.kind) == (429, "TooManyRequestsException")
        assert (str(refused.value), refused.value.reason) == ("Rate Exceeded.", "ConcurrentInvocationLimitExceeded")

        # AND it runs as soon as there is a place
        Path(done).touch()
        await asyncio.gather(*held)
        assert not (await runtime.invoke("Echo", b"{}")).failed

    run(tmp_path, work, HOLD, ECHO, account=2)


def test_a_function_has_the_concurrency_that_it_reserves_and_no_more(tmp_path: Path) -> None:
    async def work(runtime: Runtime) -> None:
        done = str(tmp_path / "done")
        held = asyncio.create_task(runtime.invoke("One", json.dumps({"until": done}).encode()))
        await asyncio.sleep(0)
        with pytest.raises(Throttled) as refused:
            await runtime.invoke("One", b"{}")
        assert refused.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
        with pytest.raises(Throttled):
            await runtime.invoke("None", b"{}")
        assert not (await runtime.invoke("Echo", b"{}")).failed
        Path(done).touch()
        assert not (await held).failed

    one = Function("One", "app.hold", timeout=60, reserved=1)
    run(tmp_path, work, one, Function("None", "app.echo", reserved=0), ECHO)


def test_an_asynchronous_event_that_is_throttled_waits_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.runtime.runtime, "THROTTLE_SECONDS", 0.01)
    monkeypatch.setattr(local.runtime.runtime, "MAX_THROTTLE_SECONDS", 0.01)
    refusals = 0

    async def work(runtime: Runtime) -> None:
        # GIVEN a function that may run once at a time, and is at work
        pool, done = runtime.pools["One"], tmp_path / "done"
        invoke = pool.invoke

        async def counted(event: bytes) -> Any:
            nonlocal refusals
            try:
                return await invoke(event)
            except Throttled:
                refusals += 1
                raise

        monkeypatch.setattr(pool, "invoke", counted)
        held = asyncio.create_task(runtime.invoke("One", json.dumps({"until": str(done)}).encode()))
        await asyncio.sleep(0)

        # WHEN an event for it is refused more often than a failure would be tried again
        runtime.invoke_later("One", json.dumps({"until": str(done)}).encode())
        async with asyncio.timeout(60):
            while refusals < 5:
                await asyncio.sleep(0.01)

            # THEN it runs in the end
            done.touch()
            await held
            while sum(worker.invocations for worker in pool.workers) < 2:
                await asyncio.sleep(0.01)

    run(tmp_path, work, Function("One", "app.hold", timeout=60, reserved=1))


@pytest.mark.parametrize(
    ("reserved", "limit", "least"), [(900, 1_000, None), (901, 1_000, 100), (1, 101, None), (1, 10, 10)]
)
def test_functions_leave_some_of_the_account_to_the_others(reserved: int, limit: int, least: int | None) -> None:
    functions = [Function("Much", "app.echo", reserved=reserved), ECHO]
    if least is None:
        Concurrency(functions, limit)
        return
    with pytest.raises(TemplateError, match=rf"below its minimum value of \[{least}\].* Much reserve {reserved}"):
        Concurrency(functions, limit)


def test_an_environment_may_have_4_kb_as_json() -> None:
    least = len('{"A":"","QUOTED":"\\"\\"\\""}')
    assert limits.environment_bytes({"A": "", "QUOTED": '"""'}) == least
    limits.check_environment("Full", {"A": "x" * (4096 - least), "QUOTED": '"""'})
    with pytest.raises(TemplateError, match=r"^Full: .* exceeded the 4KB limit. They have 4097 bytes; .* A, QUOTED"):
        limits.check_environment("Full", {"A": "x" * (4097 - least), "QUOTED": '"""'})


SMALL = """
Transform: AWS::Serverless-2016-10-31
Parameters: {LlmModel: {Type: String}}
Resources:
  Verbose:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.echo
      Runtime: python3.13
      CodeUri: .
      Environment: {Variables: {MODEL: !Ref LlmModel}}
"""


def test_a_stack_with_a_larger_one_does_not_start_and_names_function_and_size(tmp_path: Path) -> None:
    """Only the deployment knows it: parameters and physical names are part of it."""
    (template := tmp_path / "template.yaml").write_text(SMALL)
    reason = r"template.yaml: Verbose: .*exceeded the 4KB limit. They have 4112 bytes; the largest: MODEL"
    with (
        pytest.raises(StackError, match=reason),
        local_stack(tmp_path / "state", template=template, parameters={"LlmModel": "m" * 4100}),
    ):
        pass


def answered(root: Path, function: Function, timeout: float = 30.0, body: bytes = b"") -> tuple[int, dict[str, Any]]:
    """Return what an HTTP API that waits so many seconds for the function answers: status and problem."""
    answers = []

    async def work(runtime: Runtime) -> None:
        port = free_port()
        issuer = Issuer(root, port)
        gateway = Gateway(issuer, Guard(root), Console(issuer, port))
        gateway.open(Api((Route("POST", "/asked", function.name, timeout=timeout),)), runtime)
        runner = web.ServerRunner(gateway.server(), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"http://127.0.0.1:{port}/asked", data=io.BytesIO(body)) as answer,
            ):
                answers.append((answer.status, await answer.json(content_type=None)))
        finally:
            await runner.cleanup()

    run(root, work, function)
    return answers[0]


@pytest.mark.parametrize(
    ("function", "timeout", "size", "status", "code"),
    [
        (Function("Late", "app.sleep", timeout=60), 0.1, 0, 503, "unavailable"),
        (Function("Throttled", "app.echo", reserved=0), 30, 0, 503, "unavailable"),
        (Function("Large", "app.large", timeout=30), 30, 0, 500, "internal_error"),
        (ECHO, 30, REQUEST_BYTES, 413, "too_large"),
    ],
    ids=["late", "throttled", "large answer", "large request"],
)
def test_what_the_gateway_makes_of_a_function_over_a_limit(
    tmp_path: Path, function: Function, timeout: float, size: int, status: int, code: str
) -> None:
    answer, problem = answered(tmp_path, function, timeout, b"x" * size)
    assert (answer, problem["code"], problem["retryable"]) == (status, code, status == 503)
