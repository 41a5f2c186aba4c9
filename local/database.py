"""The database: an embedded server with MySQL's protocol in the state folder, or the one that DATABASE_URL names.

python -m local.database STATE     # serves the embedded one until SIGTERM
"""

import hashlib
import os
import shutil
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
MAX_SOCKET_PATH = 103  # macOS; Linux allows 107
OPEN_SECONDS = 15
# MariaDB's default is REPEATABLE READ. In the cloud the parameter group sets READ COMMITTED.
INIT_COMMAND = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"


def external_secret(url: str) -> dict[str, Any]:
    """Return the connection secret of `mysql://user:password@host:port/name`; create the database if it is missing.

    Raises ValueError for another kind of URL, and pymysql's OperationalError when the server cannot be reached.
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
    """Return the connection secret of the embedded database in `state`, the same at every start."""
    return {
        "host": "127.0.0.1",
        "port": 3306,
        "username": "root",
        "password": "",
        "dbname": NAME,
        "unix_socket": str(socket_path(state)),
    }


def socket_path(state: Path) -> Path:
    """Return the socket of the server in `state`, through a short link when its path is too long for a socket."""
    path = state.resolve() / "db" / "run" / "sql.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:16]
    link = Path(tempfile.gettempdir()) / f"longhaul-{os.getuid()}-{digest}"
    if not link.is_symlink():
        link.symlink_to(path.parent)
    return link / path.name


def create(secret: dict[str, Any]) -> None:
    """Connect to the server of `secret` and create its database if it is missing."""
    connection = pymysql.connect(
        host=secret["host"],
        port=secret["port"],
        user=secret["username"],
        password=secret["password"],
        unix_socket=secret.get("unix_socket"),
        connect_timeout=5,
        charset="utf8mb4",
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        name = secret["dbname"].replace("`", "``")
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4")


def main(state: Path) -> int:
    """Serve the embedded database until SIGTERM. Returns 1 when its server dies."""
    os.environ["TELEMETRY_ENABLED"] = "false"
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    instance = _open_first(state)
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


def _open_first(state: Path) -> Any:
    """Open the database, creating it if needed.

    A database whose first opening was interrupted can never be opened and holds nothing: it is created anew. A file
    beside it marks that the first opening has begun and not ended.
    """
    folder, begun = state / "db", state / "database.begun"
    if begun.exists():
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        begun.touch()
    instance = _open(folder)
    begun.unlink(missing_ok=True)
    return instance


def _open(folder: Path) -> Any:
    """Open the database. After `kill -9` the previous server may need a moment to release it."""
    import pylibseekdb  # loads the server's library, which only the serving process may do

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
