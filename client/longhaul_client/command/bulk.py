"""One action on several tasks: a request for each, or, from 100 tasks on, a bulk action that the server carries out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from longhaul_client.command.session import Session
from longhaul_client.command.shell import Outcome, outcome_of, print_error, print_line, worst
from longhaul_client.documents import Document
from longhaul_client.errors import TaskError
from longhaul_client.following import watch

MAX_REQUESTS = 8  # at once
BULK_FROM = 100  # tasks; one request each would exceed the server's quota
MAX_BULK = 1000  # tasks in one bulk action

type Act = Callable[[str], Awaitable[Document]]


async def steer(session: Session, ids: Sequence[str], act: Act, **action: str) -> Outcome:
    """Call `act` for each id, or submit `action` for all of them. Returns the worst outcome; OK without an id."""
    if not ids:
        return no_ids(session)
    if len(ids) < BULK_FROM:
        return await _one_by_one(session, ids, act)
    return max([await _bulk(session, ids[at : at + MAX_BULK], action) for at in range(0, len(ids), MAX_BULK)])


def no_ids(session: Session) -> Outcome:
    """Standard input had no id, as when a filter matches nothing: succeed and say so."""
    if session.as_json:
        session.put([])
    print_error("standard input has no id: there is nothing to do")
    return Outcome.OK


async def _bulk(session: Session, ids: Sequence[str], action: Document) -> Outcome:
    """The server reports how many tasks changed. Why the others did not is not known here."""
    task = await session.tasks.act_on({**action, "filter": {"task_ids": list(ids)}})
    (end,) = await watch(session.api, [task["task_id"]], lambda _: None)
    if isinstance(end, TaskError):
        raise end
    changed = end["statistics"].get("changed", 0)
    if session.as_json:
        session.put(end)
    else:
        print_line(f"{changed} of {len(ids)} changed")
    if (outcome := worst([end])) is not Outcome.OK:
        print_error(f"{end['task_id']} {end['status']}")
        return outcome
    return Outcome.OK if changed == len(ids) else Outcome.CONFLICT


async def _one_by_one(session: Session, ids: Sequence[str], act: Act) -> Outcome:
    """Call `act` for each id, some at once. A refused one stops no other. Returns the worst outcome."""
    limit = asyncio.Semaphore(MAX_REQUESTS)

    async def attempt(task_id: str) -> Document | TaskError:
        async with limit:
            try:
                return await act(task_id)
            except TaskError as error:
                return error

    ends = await asyncio.gather(*map(attempt, ids))
    changed = [end for end in ends if not isinstance(end, TaskError)]
    if session.as_json:
        session.put(changed)
    else:
        for task in changed:
            print_line(f"{task['task_id']} {task['status']} {task['priority']}")
    refused = [(task_id, end) for task_id, end in zip(ids, ends, strict=True) if isinstance(end, TaskError)]
    for task_id, error in refused:
        print_error(f"{task_id}: {error}{_instead(error)}")
    return max((outcome_of(error) for _, error in refused), default=Outcome.OK)


def _instead(error: TaskError) -> str:
    return f" (allowed: {', '.join(error.allowed_actions)})" if error.allowed_actions else ""
