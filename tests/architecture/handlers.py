"""Every Handler imports with its template's environment alone, without boto3 and without a connection."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.architecture.repository import KERNEL, Repository

# Run by a new interpreter: any attempt to reach the network is an error, and the modules it must do without are told.
PROBE = """
import importlib, socket, sys

def refuse(*args, **kwargs):
    raise SystemExit("connects to something when it is imported")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
module, _, name = sys.argv[1].rpartition(".")
handler = getattr(importlib.import_module(module), name, None)
if not callable(handler):
    raise SystemExit(f"{module} has no {name}")
if early := sorted({"boto3", "botocore.client", "local", "tests"} & sys.modules.keys()):
    raise SystemExit("imports " + ", ".join(early))
"""


def problem(repository: Repository, logical_id: str, built: Path | None = None) -> str:
    """Why a function does not import as it should; empty when it does.

    With `built` (.aws-sam/build) it is the function and the layers of `sam build` that are tried, and nothing else.
    """
    if built:
        code, kernel = built / logical_id, built / "LonghaulLayer/python"
        options, path = ["-S"], [code, kernel, built / "VendorLayer/python"]
    else:
        code, kernel = repository.root / "functions", repository.root / KERNEL
        options, path = [], [code, kernel]
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", PROBE, repository.function_resources()[logical_id]["Handler"]],
        env=environment(repository, logical_id) | {"PYTHONPATH": os.pathsep.join(str(p.absolute()) for p in path)},
        cwd=code,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it died"])[-1]


def environment(repository: Repository, logical_id: str) -> dict[str, str]:
    """What Lambda would give the function: its variables in the template, with made-up values for references."""
    everywhere = repository.template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    own = repository.function_resources()[logical_id].get("Environment", {}).get("Variables", {})
    return {name: _value(repository, value) for name, value in (everywhere | own).items()}


def _value(repository: Repository, value: Any) -> str:
    if isinstance(value, dict) and "Fn::Sub" in value:
        return re.sub(r"\$\{(\w+)\}", r"\1", value["Fn::Sub"])
    if isinstance(value, dict):
        parameter = repository.template.get("Parameters", {}).get(value.get("Ref"), {})
        return str(parameter.get("Default", "http://127.0.0.1/made-up"))
    return str(value)
