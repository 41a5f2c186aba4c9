"""What a video agent does before it is made fast: SQLAlchemy's ORM, lazy relations, OFFSET, no composite index.

It prints a line of JSON when it is ready. It reads numbers, runs each case that many times, and prints what they took:
{case: {"p50_ms", "p95_ms", "statements", "bytes"}}. The database is the one that `bench.video_agent` has filled; an
index that it should not have is left aside by a hint.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Dialect, Engine, ForeignKey, create_engine, event, select
from sqlalchemy.dialects.mysql import VARBINARY
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

TENANT, KIND, PAGE, DEPTH = "bench", "video_generation", 20, 10_000
NO_INDEX = "IGNORE INDEX (tasks_by_created, tasks_by_updated, tasks_by_priority, tasks_by_progress)"
counted = 0


class Text(TypeDecorator[str]):
    """An id, which the tables hold as bytes."""

    impl = VARBINARY(384)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.encode()

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else value.decode()


class Base(DeclarativeBase):
    pass


class Task(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[str] = mapped_column(Text)
    tenant_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str]
    title: Mapped[str]
    params: Mapped[str]
    status: Mapped[str]
    result: Mapped[str | None]
    statistics: Mapped[str | None]
    created_at: Mapped[datetime]
    scripts: Mapped[list["Script"]] = relationship(
        primaryjoin="Task.task_id == Script.task_id", foreign_keys="Script.task_id"
    )
    storyboards: Mapped[list["Storyboard"]] = relationship(
        primaryjoin="Task.task_id == Storyboard.task_id", foreign_keys="Storyboard.task_id"
    )


class Script(Base):
    __tablename__ = "scripts"
    task_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str]


class Storyboard(Base):
    __tablename__ = "storyboards"
    task_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sequence_number: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str]
    resources: Mapped[list["Resource"]] = relationship(
        primaryjoin="and_(Storyboard.task_id == Resource.task_id, "
        "Storyboard.sequence_number == Resource.sequence_number)",
        foreign_keys="[Resource.task_id, Resource.sequence_number]",
    )


class Resource(Base):
    __tablename__ = "resources"
    task_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sequence_number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    object_key: Mapped[str] = mapped_column(Text)


class Conversation(Base):
    __tablename__ = "conversations"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[str]
    tenant_id: Mapped[str] = mapped_column(Text)
    title: Mapped[str]
    said: Mapped[list["Message"]] = relationship()


class Message(Base):
    __tablename__ = "messages"
    conversation: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str]


def list_tasks(session: Session, offset: int = 0) -> list[dict[str, Any]]:
    tasks = session.scalars(
        select(Task)
        .with_hint(Task, NO_INDEX, "mysql")
        .where(Task.tenant_id == TENANT, Task.kind == KIND)
        .order_by(Task.created_at.desc(), Task.id.desc())
        .limit(PAGE)
        .offset(offset)
    )
    return [
        {
            "task_id": task.task_id,
            "title": task.title,
            "status": task.status,
            "params": json.loads(task.params),
            "result": json.loads(task.result or "null"),
            "statistics": json.loads(task.statistics or "null"),
            "created_at": task.created_at.isoformat(),
        }
        for task in tasks
    ]


def read_video(session: Session) -> dict[str, Any]:
    """Each relation loaded when it is touched: a statement for the scripts, one for the scenes, one for each scene."""
    task = session.scalars(select(Task).where(Task.task_id == "bench-00000000")).one()
    return {
        "task_id": task.task_id,
        "scripts": [script.content for script in task.scripts],
        "scenes": [
            {"content": scene.content, "files": [file.object_key for file in scene.resources]}
            for scene in task.storyboards
        ],
    }


def list_conversations(session: Session) -> list[dict[str, Any]]:
    """A statement for the list and one for each conversation's messages, of which the last is shown."""
    found = session.scalars(
        select(Conversation).where(Conversation.tenant_id == TENANT).order_by(Conversation.id.desc()).limit(PAGE)
    )
    return [{"title": one.title, "count": len(one.said), "last": one.said[-1].content} for one in found]


CASES: dict[str, Callable[[Session], Any]] = {
    "videos, first page": list_tasks,
    "videos, row 10,000": lambda session: list_tasks(session, DEPTH),
    "a video with its scenes": read_video,
    "conversations": list_conversations,
}


def measure(engine: Engine, times: int) -> dict[str, dict[str, float]]:
    global counted
    figures = {}
    for name, case in CASES.items():
        taken = []
        for _ in range(times):
            counted, started = 0, time.perf_counter()
            with Session(engine) as session:
                body = json.dumps(case(session), ensure_ascii=False)
            taken.append((time.perf_counter() - started) * 1000)
        figures[name] = {
            "p50_ms": round(statistics.median(taken), 2),
            "p95_ms": round(sorted(taken)[int(len(taken) * 0.95)], 2),
            "statements": counted,
            "bytes": len(body.encode()),
        }
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--database", required=True, help="mysql+pymysql://...")
    engine = create_engine(arguments.parse_args().database, pool_size=20, max_overflow=40, pool_recycle=3600)

    @event.listens_for(engine, "before_cursor_execute")
    def count(*_: Any) -> None:
        global counted
        counted += 1

    measure(engine, 1)
    print(json.dumps({"ready": "SQLAlchemy"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(engine, int(line))), flush=True)


if __name__ == "__main__":
    main()
