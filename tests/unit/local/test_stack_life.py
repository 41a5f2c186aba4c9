"""A stack's life: refusals, clean ends, `kill -9`, and what a restart finds."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from local.database import embedded_secret, external_secret, socket_path
from local.machine import free_port, lock
from local.options import ROOT, Options, StackError
from local.running import RunningStack, eventually, local_stack
from tests.processes import processes, running


@contextmanager
def connect(state: Path) -> "Iterator[pymysql.connections.Connection[pymysql.cursors.Cursor]]":
    """Connect through a socket of our own: PyMySQL leaves its own open when it is refused."""
    secret = embedded_secret(state)
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(secret["unix_socket"])
        connection = pymysql.connect(
            user=secret["username"], database=secret["dbname"], autocommit=True, defer_connect=True, ssl_disabled=True
        )
        connection.connect(raw)
        with connection:
            yield connection


@pytest.mark.stack
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_outlives_a_kill_and_a_restart_finds_what_was_written(tmp_path: Path, sample: Path) -> None:
    with local_stack(tmp_path / "state", template=sample) as stack:
        # GIVEN a stack at work, with a row in its database and a token given out
        assert stack.request("GET", "/open/hello", token="").status == 200
        with connect(stack.options.state) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE notes (id INT PRIMARY KEY, text VARCHAR(20))")
            cursor.execute("INSERT INTO notes VALUES (7, '留言')")
        token, pids = stack.token(), processes(stack)
        assert running(pids) == pids

        # WHEN the database is killed alone
        stack.kill_service("database")

        # THEN it comes back at the same address, with the row
        def row() -> object:
            try:
                with connect(stack.options.state) as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT text FROM notes WHERE id = 7")
                    return cursor.fetchone()
            except (OSError, pymysql.MySQLError):
                return None

        assert eventually(row, 20) == ("留言",)

        # WHEN the supervisor is killed
        pids += processes(stack)
        stack.kill()

        # THEN nothing of it goes on, and a restart takes the same tokens and has the same rows
        eventually(lambda: not running(pids), 10)
        stack.start()
        assert stack.request("GET", "/orders/1", token=token).status == 201
        assert row() == ("留言",)

        # WHEN it gets SIGTERM, THEN it stops soon and leaves nothing
        pids = processes(stack)
        started = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - started < 5
        assert running(pids) == []


def test_a_second_stack_on_the_same_state_is_refused(stack: RunningStack) -> None:
    other = [sys.executable, "-m", "local", "up", "--state", str(stack.options.state), "--port", str(free_port())]
    done = subprocess.run(other, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert f"another stack (process {stack.pid}) runs on {stack.options.state}: stop it" in done.stderr


@pytest.mark.stack
def test_a_taken_port_is_named(tmp_path: Path) -> None:
    base = free_port()
    reason = f"port {base + 2} (providers) is taken"
    with (
        socket.create_server(("127.0.0.1", base + 2)),
        pytest.raises(StackError, match=re.escape(reason)),
        local_stack(tmp_path, port=base),
    ):
        pass


def test_a_state_folder_is_free_again_once_its_holder_is_gone(tmp_path: Path) -> None:
    first = lock(tmp_path)
    with pytest.raises(StackError, match=f"process {os.getpid()}"):
        lock(tmp_path)
    first.close()
    lock(tmp_path).close()


def test_a_socket_path_that_is_too_long_goes_through_a_link(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    (deep / "db" / "run").mkdir(parents=True)
    path = socket_path(deep)
    assert len(str(path)) < 104
    assert path.parent.resolve() == (deep / "db" / "run").resolve()
    assert socket_path(deep) == path
    path.parent.unlink()


@pytest.mark.parametrize("url", ["postgres://h/db", "nonsense"])
def test_a_database_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mysql://"):
        external_secret(url)


def test_options_follow_from_one_port(tmp_path: Path) -> None:
    options = Options(state=tmp_path, port=4000)
    assert [options.url, options.aws_url, options.provider_url, options.runtime_url] == [
        f"http://127.0.0.1:{port}" for port in (4000, 4001, 4002, 4003)
    ]


@pytest.mark.stack
def test_ctrl_c_while_starting_ends_it(tmp_path: Path, sample: Path) -> None:
    arguments = ["--state", str(tmp_path), "--port", str(free_port()), "--template", str(sample)]
    starting = subprocess.Popen([sys.executable, "-m", "local", "up", *arguments], cwd=ROOT)
    eventually(lambda: (tmp_path / "logs" / "aws.log").exists())
    starting.send_signal(signal.SIGINT)
    assert starting.wait(10) == 0
