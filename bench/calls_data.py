"""About a million calls in a MariaDB of their own: campaigns of 20 to 200,000 jobs, 1.5 KB of conversation each.

The server makes the rows from its sequences (calls_data.sql). Only a pool of conversations is sent to it.
"""

import json
import random
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql
from pymysql.connections import Connection

from longhaul.database import connections

TENANT = "bench"
CAMPAIGNS = {20: 100, 200: 40, 2_000: 20, 10_000: 10, 50_000: 5, 200_000: 3}  # how many of each size: a million jobs
RECORDED, RECORDED_JOBS = "call_campaign_recorded", 100  # one more campaign, with all recordings copied
CONVERSATION_BYTES = 1_500
CONVERSATIONS = 997  # distinct ones; a prime, so that a campaign's pages differ
READ_COMMITTED = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

ROBOT = (
    "您好，这里是{place}体验中心的回访专线，请问您现在方便接听电话吗？",
    "我们看到您{day}在网上预约过体验课，想和您确认一下具体的到店时间。",
    "本周我们为老客户准备了{number}个免费名额，包含全套测评和一次一对一的指导。",
    "地址在{place}地铁站附近，步行大约{number}分钟就能到，停车也很方便。",
    "那我先为您登记{day}下午，稍后会有老师和您联系，您看可以吗？",
    "请问您更关心价格、时间安排，还是老师的经验呢？我可以为您详细介绍。",
    "好的，您的情况我已经记录下来了，后续有活动会第一时间通知您，祝您生活愉快。",
)
CONTACT = (
    "嗯，方便，你说吧，不过我大概只有{number}分钟。",
    "多少钱一节课？{day}有没有时间？孩子平时要上学。",
    "离我家有点远，{place}那边有没有分店？",
    "我现在在开会，你{day}再打过来吧。",
    "可以，{day}我带孩子过去看看，你把地址发到我的手机上。",
    "暂时不考虑，之前已经报过别家的课程了，谢谢。",
)
PLACES = ("天河区", "越秀区", "海珠区", "番禺区", "南山区", "福田区", "西湖区", "浦东新区", "朝阳区", "雁塔区")
DAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日", "下周一", "下周末", "明天", "后天")


@dataclass(frozen=True)
class Server:
    """The connection options of MariaDB, for PyMySQL."""

    options: dict[str, Any]

    @classmethod
    def at(cls, url: str) -> "Server":
        parts = urlsplit(url)
        return cls(
            {
                "host": parts.hostname or "127.0.0.1",
                "port": parts.port or 3306,
                "user": parts.username or "root",
                "password": parts.password or "",
            }
        )

    def connect(self, database: str | None = None) -> Connection:
        try:
            return pymysql.connect(
                **self.options, database=database, charset="utf8mb4", autocommit=True, conv=connections.CONVERSIONS
            )
        except pymysql.MySQLError as error:
            where = f"{self.options['host']}:{self.options['port']}"
            reason = f"bench: no MariaDB answers at {where} ({error.args[-1]}); --database-url names another"
            raise SystemExit(reason) from None

    def secret(self, database: str) -> dict[str, Any]:
        """Return the content of the functions' database secret."""
        options = {name: value for name, value in self.options.items() if name != "user"}
        return options | {"username": self.options["user"], "dbname": database, "init_command": READ_COMMITTED}


@contextmanager
def own_database(server: Server, *, keep: bool) -> Iterator[str]:
    """Create a database and yield its name. It is dropped at the end unless `keep`."""
    name = f"longhaul_bench_{secrets.token_hex(4)}"
    with closing(server.connect()) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield name
    finally:
        if not keep:
            with closing(server.connect()) as connection:
                connection.cursor().execute(f"DROP DATABASE {name}")


def campaigns(rows: int) -> dict[int, list[str]]:
    """Return the campaigns' ids by size, scaled to about `rows` rows, without the sizes above that."""
    return {
        size: [f"call_campaign_20261124_{size:06}_{number:08x}" for number in range(max(1, count * rows // 1_000_000))]
        for size, count in CAMPAIGNS.items()
        if size <= max(rows, min(CAMPAIGNS))
    }


def fill(server: Server, database: str, tasks: dict[int, list[str]]) -> int:
    """Fill the migrated, empty database. Returns the number of calls."""
    rows, first = list[tuple[Any, ...]](), 0
    for task_id, size in [*((one, size) for size, some in tasks.items() for one in some), (RECORDED, RECORDED_JOBS)]:
        rows.append((first, task_id, TENANT, size, task_id == RECORDED))
        first += size
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0")
        cursor.execute("CREATE TABLE bench_conversations (number INT PRIMARY KEY, text MEDIUMTEXT NOT NULL)")
        cursor.executemany("INSERT INTO bench_conversations VALUES (%s, %s)", list(enumerate(_conversations())))
        cursor.execute(
            "CREATE TABLE bench_campaigns (first INT PRIMARY KEY, task_id VARCHAR(96) NOT NULL, "
            "tenant_id VARCHAR(64) NOT NULL, size INT NOT NULL, all_recorded BOOLEAN NOT NULL)"
        )
        cursor.executemany("INSERT INTO bench_campaigns VALUES (%s, %s, %s, %s, %s)", rows)
        for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";\n")[:-1]:
            cursor.execute(statement)
    return first


def reopen(server: Server, database: str, task_id: str) -> None:
    """Set the campaign's calls to running, and their last sync to long ago."""
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE leads_task_list SET call_status = 'Executing' WHERE task_id = %s", (task_id,))
        cursor.execute("UPDATE call_blocks SET synced_at = '2026-01-01' WHERE task_id = %s", (task_id,))


def _conversations() -> Iterator[str]:
    chance = random.Random(20261124)
    for _ in range(CONVERSATIONS):
        lines: list[dict[str, Any]] = []
        at = 1_795_357_852_000 + chance.randrange(10_000_000)
        while len((conversation := _json(lines)).encode()) < CONVERSATION_BYTES - 100:
            words = {"place": chance.choice(PLACES), "day": chance.choice(DAYS), "number": chance.randrange(3, 60)}
            question = ROBOT[len(lines) // 2 % len(ROBOT)]
            speaker, text = ("Contact", chance.choice(CONTACT)) if len(lines) % 2 else ("Robot", question)
            lines.append({"speaker": speaker, "script": text.format(**words), "at": at})
            at += chance.randrange(2_000, 9_000)
        yield conversation


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
