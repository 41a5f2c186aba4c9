"""The processes of a running stack, and which of them run. Reads /proc."""

from pathlib import Path

from local.running import RunningStack


def processes(stack: RunningStack) -> list[int]:
    """Every process of the stack, with the embedded database's own server."""
    about = stack.about()
    workers = [worker["pid"] for worker in about["workers"]]
    return [about["pid"], *about["services"].values(), *workers, server_pid(stack)]


def server_pid(stack: RunningStack) -> int:
    return int((stack.options.state / "db" / "run" / "seekdb.pid").read_text())


def running(pids: list[int]) -> list[int]:
    """Those of the processes that run: neither gone nor waiting to be buried."""

    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    return [pid for pid in pids if runs(pid)]
