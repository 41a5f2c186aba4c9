"""Asks a stack of its own whatever /openapi.json allows and forbids, for so many seconds; exits with 1 on a finding.

The stack's quotas and throttles are out of the way and its lanes are paused, so what a request meets is the API and
not the load of the machine. Response times are not looked at, for the same reason.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from local.options import ROOT, StackError
from local.running import RunningStack, local_stack

PROGRAM = ROOT / ".venv-fuzz" / "bin" / "schemathesis"
WARM_UPS = 5
TIMEOUT_SECONDS = 60  # the gateway answers after 30 at the latest
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("hooks.py")
UNLIMITED = {
    "RequestsPerSecond": "10000",
    "RequestBurst": "5000",
    "WritesPerMinute": "1000000",
    "BulkPerMinute": "1000000",
}


def main() -> int:
    given = _arguments()
    try:
        with tempfile.TemporaryDirectory() as folder, local_stack(Path(folder), parameters=UNLIMITED) as stack:
            _warm_up(stack)
            _pause_lanes(stack)
            code = _fuzz(stack, given.seconds, given.seed, Path(folder))
    except StackError as error:
        print(f"fuzz: no stack to ask: {error}", file=sys.stderr)
        return 1
    again = f"make fuzz SECONDS={given.seconds} SEED={given.seed}"
    if code:
        print(f"\nfuzz: findings above. The same cases again: {again}")
        print("fuzz: one case alone: `make up`, then its curl line with the port 3000 and the token in .local/token")
        return 1
    print(f"\nfuzz: nothing found in {given.seconds} s with the seed {given.seed}")
    return 0


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--seconds", type=int, default=60, help="how long (%(default)s)")
    arguments.add_argument("--seed", type=int, default=random.randrange(2**31), help="which cases (any)")
    return arguments.parse_args()


def _warm_up(stack: RunningStack) -> None:
    """Every function that reads has started, and read its secrets, before time runs."""
    document = stack.request("GET", "/openapi.json", token="").json()
    for path in (path for path, operations in document["paths"].items() if "get" in operations):
        for _ in range(WARM_UPS):
            if stack.request("GET", path.replace("{", "").replace("}", "")).status < 500:
                break


def _pause_lanes(stack: RunningStack) -> None:
    """Nothing runs, unless a case lets it: all cores are for the cases."""
    for lane in stack.request("GET", "/api/v1/queue").json()["items"]:
        changed = stack.request("PATCH", f"/api/v1/queue/{lane['kind']}", json={"paused": True, "max_queued": 20_000})
        assert changed.status == 200, changed.body


def _fuzz(stack: RunningStack, seconds: int, seed: int, folder: Path) -> int:
    command = [PROGRAM, "--config-file", CONFIG, "run", f"{stack.url}/openapi.json", "--url", stack.url]
    command += ["--header", f"Authorization: Bearer {stack.token()}", "--generation-database", "none"]
    command += ["--max-time", str(seconds), "--seed", str(seed), "--request-timeout", str(TIMEOUT_SECONDS)]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)}
    return subprocess.run([str(word) for word in command], cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
