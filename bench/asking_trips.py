"""How often `ask_model` speaks to the database for a cell of a batch, with a budget or without. No model is asked."""

import contextlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.handler_parts import Context
from bench.workload_engine import count_round_trips

MODEL = {
    "name": "bench",
    "base_url": "http://127.0.0.1:9/v1",
    "model": "bench",
    "secret_arn": "unused",
    "prompt_price": 1,
    "completion_price": 1,
    "max_concurrent": 5,
}
CELLS = 12
PARAMS = {"brand": "Brand", "models": ["bench"], "questions": [f"Which is best, {n}?" for n in range(CELLS)]}


def asking_trips(tenant: str) -> dict[str, float]:
    """Return {without_budget, with_budget}."""
    from longhaul import settings

    os.environ["AI_MODELS"] = json.dumps([MODEL])
    settings.of.cache_clear()
    trips = count_round_trips()
    with _answering():
        return {
            "without_budget": _asked(trips, tenant, {}),
            "with_budget": _asked(trips, tenant, {"max_cost": "100"}),
        }


def _asked(trips: Counter[str], tenant: str, budget: dict[str, str]) -> float:
    from diagnosis import ask_model, plan_calls
    from longhaul import database
    from longhaul.tasks.submission import Submission, submit

    task = submit(Submission(tenant, "bench", "brand_diagnosis", PARAMS | budget)).task
    start = "UPDATE tasks SET status = 'RUNNING', attempt = 1, started_at = UTC_TIMESTAMP(6) WHERE task_id = %s"
    with database.connection() as session:
        session.run("start", start, [task.task_id])
    with contextlib.redirect_stdout(io.StringIO()):
        planned: Any = plan_calls.handler({"task_id": task.task_id, "attempt": 1}, Context())
        (batch,) = planned["columns"][0]["batches"]
        before = trips["sent"]
        ask_model.handler(batch | {"at_once": 1}, Context())
    return round((trips["sent"] - before) / CELLS, 1)


@contextmanager
def _answering() -> Iterator[None]:
    """The functions that ask a model, replaced: what the network does is not what is counted."""
    from decimal import Decimal

    from diagnosis.extraction import Reading
    from longhaul import llm
    from longhaul.llm import Reply
    from longhaul.llm.usage import Usage

    usage = Usage("bench", requests=1, prompt_tokens=10, completion_tokens=10, cost=Decimal(0), seconds=0.1)
    real = llm.chat, llm.consult, llm.open_until
    llm.chat = lambda *_, **__: Reply("Brand is good.", usage)
    llm.consult = lambda *_, **__: Reply(Reading(named=True, rank=1, sentiment=0.5, competitors=[], sources=[]), usage)
    llm.open_until = lambda *_, **__: None
    try:
        yield
    finally:
        llm.chat, llm.consult, llm.open_until = real
