"""What the handlers of `bench.handlers` are held against: FastAPI and SQLAlchemy, called as an ASGI server calls them.

It reads and writes the rows of the database that `bench.handlers` has filled: a task by its id, a task that is
submitted, a page of twenty calls with their follow-ups and recordings. It has no cache, quota, identity or metrics, and
its recordings are the stored addresses: nothing is signed. It prints a line of JSON when it is ready, reads numbers,
serves each case so many times, and prints the processor milliseconds of each: {case: ms}.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker

TENANT = "bench"
TASK = text("SELECT * FROM tasks WHERE task_id = :task_id AND tenant_id = :tenant_id")
SUBMIT = text("""
    INSERT INTO tasks (
        task_id, tenant_id, user_id, kind, title, params, priority, status, created_at, updated_at, run_after,
        request_digest, max_retries
    ) VALUES (
        :task_id, :tenant_id, 'ada', :kind, :title, :params, 2, 'PENDING', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6),
        UTC_TIMESTAMP(6), :digest, 3
    )
""")
TOTAL = text("SELECT COUNT(*) FROM leads_task_list WHERE task_id = :task_id AND call_job_id IS NOT NULL")
PAGE = text("""
    SELECT leads.*, follow.follow_time, follow.leads_remark, follow.frist_follow_time, follow.new_follow_time,
        follow.next_follow_time, follow.is_arrive, follow.frist_arrive_time
    FROM leads_task_list AS leads
    LEFT JOIN dcc_leads_follow AS follow ON follow.id = leads.leads_follow_id
    WHERE leads.task_id = :task_id AND leads.job_seq BETWEEN :first AND :last
    ORDER BY leads.job_seq
""")


class Task(BaseModel):
    task_id: str
    kind: str
    title: str
    status: str
    priority: int
    progress: int
    steps_done: int
    attempt: int
    created_at: datetime
    updated_at: datetime


class Wanted(BaseModel):
    kind: str = Field(min_length=1, max_length=64)
    params: dict[str, Any]
    title: str | None = Field(default=None, max_length=200)


class Query(BaseModel):
    task_id: str = Field(min_length=1, max_length=96)
    page: int = Field(default=1, ge=1)
    page_size: int = Field(default=20, ge=1, le=100)


class Line(BaseModel):
    speaker: str
    script: str
    at: int


class Follow(BaseModel):
    follow_time: datetime | None
    leads_remark: str | None
    frist_follow_time: datetime | None
    new_follow_time: datetime | None
    next_follow_time: datetime | None
    is_arrive: bool | None
    frist_arrive_time: datetime | None


class Call(BaseModel):
    job_seq: int
    leads_id: str
    name: str | None
    phone: str | None
    call_job_id: str
    call_status: str
    call_result: str | None
    planed_time: datetime | None
    actual_time: datetime | None
    duration_ms: int | None
    call_task_id: str | None
    call_conversation: list[Line]
    calling_number: str | None
    recording_url: str | None
    is_interested: bool | None
    follow_data: Follow | None


class Page(BaseModel):
    total: int
    items: list[Call]


def make_app(database: str) -> FastAPI:
    app, sessions = FastAPI(), sessionmaker(create_engine(database, pool_size=20))

    def session() -> Iterator[Session]:
        with sessions() as opened:
            yield opened

    Opened = Annotated[Session, Depends(session)]  # noqa: N806 (a type)

    @app.get("/tasks/{task_id}")
    def read_task(task_id: str, opened: Opened) -> Task:
        return _task(opened, task_id)

    @app.post("/tasks", status_code=202)
    def submit(wanted: Wanted, opened: Opened) -> Task:
        task_id = f"{wanted.kind}_{datetime.now(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"
        values = {"task_id": task_id, "tenant_id": TENANT, "kind": wanted.kind, "title": wanted.title or wanted.kind}
        opened.execute(SUBMIT, values | {"params": json.dumps(wanted.params), "digest": "0" * 64})
        opened.commit()
        return _task(opened, task_id)

    @app.post("/pages")
    def read_page(query: Query, opened: Opened) -> Page:
        first = (query.page - 1) * query.page_size + 1
        total = opened.execute(TOTAL, {"task_id": query.task_id}).scalar_one()
        found = opened.execute(PAGE, {"task_id": query.task_id, "first": first, "last": first + query.page_size - 1})
        return Page(total=total, items=[_call(dict(row)) for row in found.mappings()])

    return app


def _task(opened: Session, task_id: str) -> Task:
    row = opened.execute(TASK, {"task_id": task_id, "tenant_id": TENANT}).mappings().first()
    if row is None:
        raise HTTPException(404)
    return Task.model_validate(_texts(dict(row)))


def _call(row: dict[str, Any]) -> Call:
    row = _texts(row)
    follow = Follow.model_validate(row) if row["leads_follow_id"] else None
    return Call.model_validate(
        row | {"call_conversation": json.loads(row["call_conversation"] or "[]"), "follow_data": follow}
    )


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}


async def call(app: FastAPI, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Serve one request, as an ASGI server does."""
    sent: list[dict[str, Any]] = []
    given = json.dumps(body).encode() if body is not None else b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": given, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"api.example.com"), (b"content-type", b"application/json"), (b"accept", b"application/json")]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http"}
    await app(
        scope
        | {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers}
        | {"client": ("203.0.113.7", 1), "server": ("api.example.com", 80)},
        receive,
        send,
    )
    assert sent[0]["status"] in (200, 202), sent
    answer: dict[str, Any] = json.loads(b"".join(one.get("body", b"") for one in sent[1:]))
    return answer


async def measure(app: FastAPI, times: int, task_id: str, campaign: str) -> dict[str, float]:
    wanted = {"kind": "role_creation", "params": {"task_id": "T", "strategy_id": "S"}}
    page = ("POST", "/pages", {"task_id": campaign})
    cases: dict[str, tuple[Any, ...]] = {
        "task_hit": ("GET", f"/tasks/{task_id}"),
        "submit": ("POST", "/tasks", wanted),
        "page_hit": page,
        "page_miss": page,
    }
    figures = {}
    for name, request in cases.items():
        taken = []
        for _ in range(times):
            before = time.process_time()
            await call(app, *request)
            taken.append((time.process_time() - before) * 1000)
        figures[name] = round(statistics.median(taken), 3)
    return figures


async def serve() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--database", required=True, help="mysql+pymysql://...")
    arguments.add_argument("--task", required=True, help="the task that is read")
    arguments.add_argument("--campaign", required=True, help="the campaign whose first page is read")
    given = arguments.parse_args()
    app = make_app(given.database)
    await measure(app, 20, given.task, given.campaign)
    print(json.dumps({"ready": "FastAPI"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(await measure(app, int(line), given.task, given.campaign)), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
