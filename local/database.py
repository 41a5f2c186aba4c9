"""The database: an embedded MySQL-protocol server kept in the state folder, or the one DATABASE_URL names.

python -m local.database STATE     # serves the embedded one until it is told to stop
"""

import hashlib
import os
import signal
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from types import FrameType
from typing import Any

import pymysql

NAME = "longhaul"
LONGEST_SOCKET_PATH = 103  # macOS; Linux allows 107
OPEN_SECONDS = 15
# MariaDB's default is REPEATABLE READ; in the cloud the parameter group says READ COMMITTED.
INIT_COMMAND = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"


def external_secret(url: str) -> dict[str, Any]:
    """Return the connection secret of `mysql://user:password@host:port/name`; makes the database if it is not there.

    Raises ValueError for another kind of URL and pymysql's OperationalError when the server can't be reached.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("mysql", "mariadb") or not parts.hostname:
        raise ValueError("DATABASE_URL must look like mysql://user:password@host:3306/longhaul")
    secret = {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "username": urllib.parse.unquote(parts.username or "root"),
        "password": urllib.parse.unquote(parts.password or ""),
        "dbname": parts.path.strip("/") or NAME,
        "init_command": INIT_COMMAND,
    }
    create(secret)
    return secret


def embedded_secret(state: Path) -> dict[str, Any]:
    """Return the connection secret of the embedded database of `state`: the same at every start."""
    return {
        "host": "127.0.0.1",
        "port": 3306,
        "username": "root",
        "password": "",
        "dbname": NAME,
        "unix_socket": str(socket_path(state)),
    }


def socket_path(state: Path) -> Path:
    """Return where the server of `state` listens; through a short link when the path is too long for a socket."""
    path = state.resolve() / "db" / "run" / "sql.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:16]
    link = Path(tempfile.gettempdir()) / f"longhaul-{os.getuid()}-{digest}"
    if not link.is_symlink():
        link.symlink_to(path.parent)
    return link / path.name


def create(secret: dict[str, Any]) -> None:
    """Connect to the server of `secret` and make its database if it is not there."""
    connection = pymysql.connect(
        host=secret["host"],
        port=secret["port"],
        user=secret["username"],
        password=secret["password"],
        unix_socket=secret.get("unix_socket"),
        connect_timeout=5,
        charset="utf8mb4",
    )
    with connection, connection.cursor() as cursor:
        name = secret["dbname"].replace("`", "``")
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")


def main(state: Path) -> int:
    """Serve the embedded database until SIGTERM; return 1 when its server dies."""
    os.environ["TELEMETRY_ENABLED"] = "false"
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    instance = _open(state / "db")
    create(embedded_secret(state))
    (state / "database.ready").touch()
    server = int((state / "db" / "run" / "seekdb.pid").read_text())
    while not stopping:
        if not _alive(server):
            print("the database server died", file=sys.stderr)
            return 1
        time.sleep(0.1)
    instance.close()
    for _ in range(30):
        if not _alive(server):
            return 0
        time.sleep(0.1)
    os.kill(server, signal.SIGKILL)
    return 0


def _open(folder: Path) -> Any:
    """Open the database; after `kill -9` the server of before may need a moment to notice and let go of it."""
    import pylibseekdb  # loads the server's library: only the process that serves may do that

    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            return pylibseekdb.open(db_dir=str(folder.resolve()))
        except pylibseekdb.SeekdbError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _alive(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:  # not started by this process
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
