"""A machine without a network, and an embedded database whose first opening did not end."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.options import ROOT
from local.running import eventually

ALONE = ["unshare", "--user", "--map-root-user", "--net", "sh", "-e", "-c"]
LOOPBACK = "ip link set lo up; "
ANOTHER = "ip link add veth0 type veth peer name veth1; ip address add 192.0.2.1/32 dev veth0; ip link set veth0 up; "
CHECK = "from local.machine import check_network; check_network(embedded={})"


def alone(before: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a network of its own, which has nothing but what `before` makes; skips where that cannot be."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip")
    if subprocess.run([*ALONE, before], capture_output=True, check=False).returncode:
        pytest.skip("may not make a network here")
    command = [*ALONE, before + 'exec "$0" "$@"', sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("network", "embedded", "complaint"),
    [
        ("true; ", False, "bring loopback up"),
        (LOOPBACK, True, "needs a network interface"),
        (LOOPBACK, False, ""),
        (LOOPBACK + ANOTHER, True, ""),
    ],
    ids=["no loopback", "loopback alone", "loopback and a server elsewhere", "another interface"],
)
def test_what_a_stack_needs_of_the_network(network: str, embedded: bool, complaint: str) -> None:
    done = alone(network, "-c", CHECK.format(embedded))
    assert (done.returncode == 0) == (not complaint), done.stderr
    assert complaint in done.stderr


@pytest.mark.stack
def test_without_a_network_a_stack_says_so_and_leaves_its_state_whole(tmp_path: Path) -> None:
    done = alone(LOOPBACK, "-m", "local", "up", "--state", str(tmp_path), "--port", "29996")
    assert done.returncode == 1
    assert done.stderr.startswith("local: the embedded database needs a network interface")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "db").exists()


@pytest.mark.stack
def test_a_database_whose_first_opening_did_not_end_is_made_anew(tmp_path: Path) -> None:
    # GIVEN what is left of an opening that died, which the engine never opens again
    (tmp_path / "db" / "store" / "sstable").mkdir(parents=True)
    (tmp_path / "db" / "store" / "sstable" / "meta.db").write_bytes(b"half of it")
    (tmp_path / "database.begun").touch()

    # WHEN the state is opened once more, THEN it has a database, and the next opening keeps that
    for _ in range(2):
        (tmp_path / "database.ready").unlink(missing_ok=True)
        command = [sys.executable, "-m", "local.database", str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as server:
            try:
                eventually((tmp_path / "database.ready").exists, seconds=60)
            finally:
                server.terminate()
        assert not (tmp_path / "database.begun").exists()
        made = (tmp_path / "db" / "store" / "sstable" / "meta.db").stat()
        assert made.st_size > 100
        (tmp_path / "db" / "kept").touch()
    assert (tmp_path / "db" / "kept").exists()
