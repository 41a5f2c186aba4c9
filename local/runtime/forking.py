"""The process that forks those of functions: run by `nursery` as a file, isolated, so that only packages are imported.

Each request on its socket {handler, folder, environment} comes with the file to write to. The answer is {pid}, which is
negative for an error of the system; {pid, code} follows when that process has ended.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import sysconfig
import time
from typing import Any

# What at least one function in three imports, and the clients that are made at the first call. Not the runtime client:
# it reads its function's environment when it is imported.
PACKAGES = (
    "aiosql",
    "asyncio",
    "aws_lambda_powertools",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.event_handler.openapi.params",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.typing",
    "boto3",
    "botocore.auth",
    "botocore.client",
    "botocore.httpsession",
    "botocore.retries.standard",
    "concurrent.futures.thread",
    "cryptography.hazmat.primitives.serialization",
    "http.client",
    "httptools.parser.parser",
    "isal.isal_zlib",
    "pydantic",
    "pymysql",
    "simplejson",
    "ssl",
    "urllib3",
    "uuid",
)
REQUEST_BYTES = 256 * 1024
IMMORTAL = 0xFFFFFFFF  # a count of references that CPython 3.13 neither raises nor lowers (PEP 683)
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


def make_immortal() -> None:
    """Let nobody count the references to what is there. A forked process that uses an object would write its count, and
    thereby copy its page: that was a third of what each process had of its own.

    Where CPython counts in another way, without the GIL or in 32 bits, pages are copied."""
    if sysconfig.get_config_var("Py_GIL_DISABLED") or sys.maxsize < 2**32:
        return
    for each in gc.get_objects():
        for one in (each, *gc.get_referents(each)):
            ctypes.c_uint32.from_address(id(one)).value = IMMORTAL


def serve(control: socket.socket) -> dict[str, Any]:
    """Fork until the stack is gone. Returns only in a forked process: its request."""
    waking, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    import selectors

    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(waking, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if control in ready:
                message, files, _, _ = socket.recv_fds(control, REQUEST_BYTES, 1)
                if not message:
                    os._exit(0)
                if (pid := fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (control, waking, woken):
                        each.close()
                    request: dict[str, Any] = json.loads(message)
                    return request | {"output": files[0]}
                os.close(files[0])
                if pid > 0:
                    lead_group(pid)
                tell(control, pid=pid)
            if waking in ready:
                waking.recv(4096)
                bury(control)


def fork() -> int:
    """Return the process's id, 0 in it, or the system's error as a negative number."""
    try:
        return os.fork()
    except OSError as error:
        return -(error.errno or 1)


def lead_group(pid: int = 0) -> None:
    """Let a process (0: this one) lead a group of its own, by which it is killed with all that it starts.

    It does so itself, and so does who has forked it, whichever comes first: it may be killed as soon as it is told of.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
        os.setpgid(pid, pid)


def bury(control: socket.socket) -> None:
    """Tell of each process that has ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            tell(control, pid=ended[0], code=os.waitstatus_to_exitcode(ended[1]))


def tell(control: socket.socket, **what: int) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        control.send(json.dumps(what).encode())


def become(request: dict[str, Any], parent: int) -> None:
    """Be the process of a function: in its folder, with its environment, and with no file but those it may have."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    lead_group()
    libc.prctl(PR_SET_NAME, request["handler"].encode()[:15])
    for stream in (1, 2):
        os.dup2(request["output"], stream)
    os.close(request["output"])
    os.chdir(request["folder"])
    environment: dict[str, str] = request["environment"]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[:0] = [request["folder"], *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[:] = ["awslambdaric", request["handler"]]
    gc.enable()


def main() -> None:
    for name in PACKAGES:
        with contextlib.suppress(ImportError):  # what a function lacks, it says itself
            importlib.import_module(name)
    gc.collect()
    make_immortal()
    gc.freeze()  # so that a collection in a forked process touches, and copies, none of it
    gc.disable()
    parent = os.getpid()
    become(serve(socket.socket(fileno=int(sys.argv[1]))), parent)

    from awslambdaric.__main__ import main as run
    from awslambdaric.lambda_config import LambdaConfigProvider

    # It would start a thread for each event, to heed signals while it waits: nothing here sends one but SIGKILL.
    LambdaConfigProvider.use_thread_polling = False
    run(sys.argv)


if __name__ == "__main__":
    main()
