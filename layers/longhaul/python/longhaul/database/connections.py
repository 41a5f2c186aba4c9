"""Opening connections to MySQL: credentials from Secrets Manager, verified TLS, timeouts, and what its errors mean.

The isolation level is READ COMMITTED, set in the server's parameter group or the proxy's initialisation query, never
per session: RDS Proxy would pin the connection
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html).
"""

import json
import ssl
from datetime import datetime
from functools import cache
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions, convert_datetime
from pymysql.cursors import DictCursor

from longhaul import aws, settings, tls
from longhaul.errors import DatabaseUnavailable

type Opened = Connection[DictCursor]

CONNECT_SECONDS, READ_SECONDS, WRITE_SECONDS = 3, 20, 20

# MySQL error numbers, https://dev.mysql.com/doc/mysql-errors/8.0/en/
LOST = frozenset({0, 2006, 2013, 2014, 2055, 4031})  # 0: PyMySQL's own "the connection is closed"
ROLLED_BACK = frozenset({1205, 1213})  # lock wait (whose COMMIT would keep half: always roll back), deadlock
BEHIND = frozenset({1054, 1146, 1176})  # no such column, table or key yet: code goes live before its migrations
AWAY = BEHIND | {1021, 1037, 1040, 1041, 1053, 1077, 1114, 1158, 1159, 1160, 1161, 1203, 1226, 1290, 1836, 2002, 2003}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _time(text: str) -> datetime | str:
    """A time is ISO 8601, which Python reads eight times as fast as PyMySQL does: a page of calls has a hundred.

    What is none, as `0000-00-00`, stays the text that PyMySQL makes of it: an error here would leave half an answer on
    the connection, for the next statement to read.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return convert_datetime(text)


# An id is VARBINARY, so that comparing it is exact (migration 0007), and UTF-8 text all the same.
CONVERSIONS = (
    conversions | dict.fromkeys((FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING), _text) | {FIELD_TYPE.DATETIME: _time}
)


def open_connection(**overrides: Any) -> Opened:
    """A new connection, not the shared one: for the migrations. Raises DatabaseUnavailable."""
    try:
        return _open(_credentials(), overrides)
    except DatabaseUnavailable as error:
        if error_number(error.__cause__) != 1045:
            raise
    return _open(_credentials(force=True), overrides)  # the password was rotated


def database_name() -> str:
    """The database's name."""
    return str(_credentials()["dbname"])


def _open(secret: dict[str, Any], overrides: dict[str, Any]) -> Opened:
    context = _tls(settings.of(settings.Database).database_tls)
    options: dict[str, Any] = {
        "user": secret["username"],
        "password": secret.get("password", ""),
        "database": secret["dbname"],
        "unix_socket": secret.get("unix_socket"),
        "host": secret.get("host", "localhost"),
        "port": int(secret.get("port", 3306)),
        "init_command": secret.get("init_command"),
        "ssl": context,
        "ssl_disabled": context is None,  # otherwise PyMySQL prepares TLS of its own, and loads the CA bundle to do so
        "charset": "utf8mb4",
        "conv": CONVERSIONS,
        "autocommit": True,
        "cursorclass": DictCursor,
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "write_timeout": WRITE_SECONDS,
    }
    try:
        return pymysql.connect(**options | overrides)
    except pymysql.MySQLError as error:
        raise DatabaseUnavailable(f"cannot connect to the database ({error_number(error)})") from error


@cache
def _tls(wanted: str) -> ssl.SSLContext | None:
    """What a server's certificate is verified by.

    An RDS Proxy's is of Amazon Trust Services, which the system knows. An RDS instance's is of Amazon RDS's own
    authorities, which it does not: `wanted` is then the path of their bundle.
    """
    if wanted == "off":
        return None
    if wanted == "verify":
        return tls.verified()
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(wanted)
    except OSError as error:
        raise settings.SettingsError(f"DATABASE_TLS: {wanted} holds no certificates: {error}") from error
    return context


def _credentials(*, force: bool = False) -> dict[str, Any]:
    if force:
        _secret.cache_clear()
    return _secret(settings.of(settings.Database).database_secret_arn)


@cache
def _secret(arn: str) -> dict[str, Any]:
    """What has failed is not remembered: the next use asks again."""
    try:
        text = aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except aws.errors() as error:
        raise DatabaseUnavailable(f"the database's secret cannot be read ({aws.error_code(error) or error})") from error
    secret: dict[str, Any] = json.loads(text)
    return secret


def error_number(error: BaseException | None) -> int | None:
    """The MySQL number of an error, None when it has none."""
    return error.args[0] if error is not None and error.args and isinstance(error.args[0], int) else None
