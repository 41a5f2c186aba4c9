"""Many callers who hold `Prefer: wait`: others' reads and writes, the dispatcher and recovery go on beside them.

WAITING_CALLERS says how many (30).
"""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median

import aiohttp
import pytest

from local.running import eventually
from tests.observation import KIND, Observer, path_of

CALLERS = int(os.environ.get("WAITING_CALLERS", "30"))
TENANTS = 10
ASKS_A_SECOND = 2  # of all callers: neither the throttle nor the processor is what is tested
POLITE_SECONDS = 2.0  # between two questions of a caller
PROMPT_SECONDS = 5.0  # for most answers beside them, on a busy machine; a caller who waits does so for 20
WARM = 8
TASKS = "/api/v1/tasks"


class Callers:
    """Callers of several tenants who wait for tasks that do not start before tomorrow, again and again.

    Every third goes away after a second without an answer; every third waits for a task that it submits.
    """

    def __init__(self, observer: Observer) -> None:
        self._url = observer.stack.url
        self._tokens = [observer.stack.token(f"waiting-{number}") for number in range(TENANTS)]
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        self._body = {"kind": KIND, "params": {"province": "澳门"}, "run_after": tomorrow}
        self._tasks = [observer.request("POST", TASKS, json=self._body, token=token).json() for token in self._tokens]
        self.answers: Counter[str] = Counter()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """They come one after the other, and leave when the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._all(ended := asyncio.Event()),))
        thread.start()
        try:
            eventually(lambda: self.answers["asked"] >= CALLERS, 10 + 2 * CALLERS / ASKS_A_SECOND)
            yield
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()
            loop.close()

    async def _all(self, ended: asyncio.Event) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self._url, connector=connector) as session:
            callers = [asyncio.create_task(self._one(session, number)) for number in range(CALLERS)]
            await ended.wait()
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(number / ASKS_A_SECOND)
        while True:
            self.answers["asked"] += 1
            try:
                async with asyncio.timeout(1 if number % 3 == 0 else None):
                    self.answers[await self._ask(session, number)] += 1
            except TimeoutError:
                self.answers["abandoned"] += 1
            await asyncio.sleep(max(POLITE_SECONDS, CALLERS / ASKS_A_SECOND))

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> str:
        tenant = number % TENANTS
        headers = {"Authorization": f"Bearer {self._tokens[tenant]}", "Prefer": "wait=20"}
        if number % 3 == 1:
            headers["Idempotency-Key"] = f"waiting-{number}"
            asked = session.post(TASKS, headers=headers, json=self._body)
        else:
            asked = session.get(path_of(self._tasks[tenant]["task_id"]), headers=headers)
        async with asked as answer:
            await answer.read()
            return f"{answer.status} {answer.headers.get('Preference-Applied', 'at once')}"


def warm(observer: Observer) -> None:
    """Have several processes of each function at hand: how long they take to start is not what is tested."""
    task_id = submit_for_tomorrow(observer)

    def answered(path: str, method: str = "GET") -> bool:
        with ThreadPoolExecutor(WARM) as pool:
            return {200} == set(pool.map(lambda _: observer.request(method, path).status, range(WARM)))

    eventually(lambda: answered(path_of(task_id)) and answered(f"{TASKS}/summary"), 120)
    eventually(lambda: answered(f"{path_of(task_id)}/cancel", "POST"), 120)
    observer.ended(task_id)


@pytest.fixture
def callers(observer: Observer) -> Iterator[Callers]:
    warm(observer)
    yield (callers := Callers(observer))
    print(f"{CALLERS} callers: {dict(callers.answers)}")
    observer.settle()


@pytest.mark.timeout(600)  # the callers come one after the other
def test_callers_who_wait_keep_nobody_from_anything(callers: Callers, observer: Observer) -> None:
    took: dict[str, list[float]] = {}

    def timed(what: str, work: Callable[[], object]) -> None:
        started = time.monotonic()
        work()
        took.setdefault(what, []).append(time.monotonic() - started)

    # GIVEN callers who wait
    with callers.at_work():
        # WHEN another tenant reads, submits and steers beside them
        submitted: list[str] = []
        for _ in range(10):
            timed("submit", lambda: submitted.append(observer.submit("澳门")))
            timed("read", lambda: observer.read(submitted[-1]))
            timed("list", lambda: observer.get(f"{TASKS}/summary"))
        timed("start and end", lambda: eventually(lambda: all(ended(observer, task) for task in submitted), 60))

        # AND a task passes its deadline, which recovery alone sees
        overdue = overdue_task(observer)
        timed("recovery", lambda: eventually(lambda: ended(observer, overdue), 60))

        # AND all of it beside callers who did wait, for as long as they wished
        eventually(lambda: callers.answers["200 wait=20"] + callers.answers["202 wait=20"] > 0, 120)
    print({what: f"{median(seconds):.2f} s, at most {max(seconds):.2f} s" for what, seconds in took.items()})

    # THEN every answer came at once, the tasks ran, and recovery did its work; and some callers were not let wait
    assert not [answer for answer in callers.answers if answer.startswith("5")], callers.answers
    for what in ("submit", "read", "list"):
        assert median(took[what]) < PROMPT_SECONDS, (what, took[what])
    assert {observer.task(task)["status"] for task in submitted} == {"SUCCEEDED"}
    assert observer.task(overdue)["error_code"] == "deadline_exceeded"
    assert callers.answers["200 at once"] + callers.answers["202 at once"] > 0, callers.answers


def submit_for_tomorrow(observer: Observer) -> str:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"kind": KIND, "params": {"province": "澳门"}, "run_after": tomorrow}
    return str(observer.post(TASKS, body)["task_id"])


def overdue_task(observer: Observer) -> str:
    """A task that waits, and whose deadline has passed meanwhile."""
    task_id = submit_for_tomorrow(observer)
    observer.sql("UPDATE tasks SET deadline = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE task_id = %s", task_id)
    return task_id


def ended(observer: Observer, task_id: str) -> bool:
    return observer.task(task_id)["finished_at"] is not None
