"""Every Handler imports with its template's environment alone, without a connection and what no cold start needs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.architecture.repository import KERNEL, Repository

# Run by a new interpreter, which imports what others wrote and functions share, then forks for each function. There any
# attempt to reach the network is an error, and the modules that a function must do without are told.
PROBE = """
import importlib, json, os, socket, sys, traceback

def refuse(*args, **kwargs):
    raise SystemExit("connects to something when it is imported")

class Budget:
    # refuses what no cold start needs, and says which modules brought it
    unwanted = set()

    def find_spec(self, name, path=None, target=None):
        if name in self.unwanted:
            frame, chain = sys._getframe(), []
            while frame:
                if frame.f_code.co_name == "<module>" and frame.f_globals["__name__"] != "__main__":
                    chain.insert(0, frame.f_globals["__name__"])
                frame = frame.f_back
            raise SystemExit(f"imports {name} (" + " -> ".join([*chain, name]) + ")")

def probe(function):
    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
    os.chdir(function["folder"])
    Budget.unwanted = Budget.unwanted - set(function["needed"])
    os.environ.clear()
    os.environ.update(function["environment"])
    sys.path[:0] = function["path"]
    module, _, name = function["handler"].rpartition(".")
    handler = getattr(importlib.import_module(module), name, None)
    if not callable(handler):
        raise SystemExit(f"{module} has no {name}")

def told(function):
    read, write = os.pipe()
    if not (child := os.fork()):
        try:
            probe(function)
        except BaseException as error:
            os.write(write, traceback.format_exception_only(error)[-1].strip().splitlines()[-1].encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as text:
        problem = text.read()
    _, status = os.waitpid(child, 0)
    return problem or ("it died" if status else "")

functions, kernel, shared, unwanted = json.load(sys.stdin)
Budget.unwanted = set(unwanted)
sys.meta_path.insert(0, Budget())
sys.path[:0] = kernel
for name in shared:
    importlib.import_module(name)
print(json.dumps({name: told(function) for name, function in functions.items()}))
"""
SHARED = ["longhaul.imports", "aws_lambda_powertools.event_handler.openapi.params", "pymysql", "aiosql"]

# What costs more than most functions' own code and is needed by none of them before its first call, if at all: AWS's
# clients with the service models, the HTTP client, what Powertools' packages import for others, what PyMySQL encrypts
# passwords with when there is no TLS, the parsers of e-mail and of addresses; and what is not deployed.
UNWANTED = [
    "aiosql.aiosql",
    "asyncio",
    "aws_lambda_powertools.event_handler.appsync",
    "aws_lambda_powertools.event_handler.bedrock_agent",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes.code_pipeline_job_event",
    "aws_lambda_powertools.utilities.parser",
    "boto3",
    "botocore.auth",
    "botocore.client",
    "botocore.exceptions",
    "cryptography.hazmat.backends",
    "cryptography.hazmat.primitives",
    "local",
    "multiprocessing",
    "phonenumbers",
    "tests",
    "yoyo",
]
NEEDED = {"Migrate": ["yoyo"]}  # what one function alone is there for


def problems(repository: Repository, built: Path | None = None) -> dict[str, str]:
    """Why a function does not import as it should, by its logical id; empty when it does.

    With `built` (.aws-sam/build) it is the functions and the layers of `sam build` that are tried, and nothing else.
    """
    resources = repository.function_resources()
    functions = {name: _function(repository, name, built) for name in resources}
    options, path = (["-S"], str((built / "VendorLayer/python").absolute())) if built else ([], "")
    given = [functions, [str(_kernel(repository, built))], SHARED if len(functions) > 1 else [], UNWANTED]
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", PROBE],
        input=json.dumps(given),
        env={"PYTHONPATH": path, "PYDANTIC_DISABLE_PLUGINS": "__all__"},  # as of every function
        cwd=repository.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        return dict.fromkeys(resources, (done.stderr.strip().splitlines() or ["it died"])[-1])
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _function(repository: Repository, logical_id: str, built: Path | None) -> dict[str, Any]:
    code = built / logical_id if built else repository.root / "functions"
    own = [layer for layer in repository.layers(logical_id) if layer not in ("LonghaulLayer", "VendorLayer")]
    layers = [str((built / layer / "python").absolute()) for layer in own] if built else []
    return {
        "handler": repository.function_resources()[logical_id]["Handler"],
        "environment": environment(repository, logical_id),
        "needed": NEEDED.get(logical_id, []),
        "folder": str(code.absolute()),
        "path": [str(code.absolute()), str(_kernel(repository, built)), *layers],
    }


def _kernel(repository: Repository, built: Path | None) -> Path:
    return (built / "LonghaulLayer/python" if built else repository.root / KERNEL).absolute()


def environment(repository: Repository, logical_id: str) -> dict[str, str]:
    """What Lambda would give the function: its variables in the template, with made-up values for references."""
    everywhere = repository.template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    own = repository.function_resources()[logical_id].get("Environment", {}).get("Variables", {})
    return {name: _value(repository, value) for name, value in (everywhere | own).items()}


def _value(repository: Repository, value: Any) -> str:
    if isinstance(value, dict) and "Fn::Sub" in value:
        text = value["Fn::Sub"]
        return re.sub(r"\$\{(\w+)\}", r"\1", text[0] if isinstance(text, list) else text)
    if isinstance(value, dict):
        parameter = repository.template.get("Parameters", {}).get(value.get("Ref"), {})
        return str(parameter.get("Default") or "http://127.0.0.1/made-up")
    return str(value)
