"""The same done to several tasks: a request each, or, to very many, tasks of the server's own that do it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import click

from longhaul_client.command.outcomes import Outcome, outcome_of, worst
from longhaul_client.command.session import Session, complain
from longhaul_client.errors import Document, TaskError
from longhaul_client.watching import watch

AT_ONCE = 8  # requests
MANY = 100  # from here on a request each would only wait for the server's quota
MOST = 1000  # tasks in one bulk action

type Act = Callable[[str], Awaitable[Document]]


async def steer(session: Session, ids: Sequence[str], act: Act, **action: str) -> Outcome:
    """`act` on each id, or have `action` done to all of them. The worst outcome counts."""
    if len(ids) < MANY:
        return await _one_by_one(session, ids, act)
    return max([await _together(session, ids[at : at + MOST], action) for at in range(0, len(ids), MOST)])


async def _together(session: Session, ids: Sequence[str], action: Document) -> Outcome:
    """Only what has changed is told: which of the others could not be, or were so already, is not known here."""
    task = await session.tasks.act_on({**action, "filter": {"task_ids": list(ids)}})
    (end,) = await watch(session.tasks, [task["task_id"]], lambda _: None)
    if isinstance(end, TaskError):
        raise end
    changed = end["statistics"].get("changed", 0)
    if session.as_json:
        session.put(end)
    else:
        click.echo(f"{changed} of {len(ids)} changed")
    if (outcome := worst([end])) is not Outcome.OK:
        complain(f"{end['task_id']} {end['status']}")
        return outcome
    return Outcome.OK if changed == len(ids) else Outcome.CONFLICT


async def _one_by_one(session: Session, ids: Sequence[str], act: Callable[[str], Awaitable[Document]]) -> Outcome:
    """Do it to each task, some at once; one that is refused stops no other. The worst outcome counts."""
    places = asyncio.Semaphore(AT_ONCE)

    async def attempt(task_id: str) -> Document | TaskError:
        async with places:
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
            click.echo(f"{task['task_id']} {task['status']} {task['priority']}")
    refused = [(task_id, end) for task_id, end in zip(ids, ends, strict=True) if isinstance(end, TaskError)]
    for task_id, error in refused:
        complain(f"{task_id}: {error}{_instead(error)}")
    return max((outcome_of(error) for _, error in refused), default=Outcome.OK)


def _instead(error: TaskError) -> str:
    return f" (it may be: {', '.join(error.allowed_actions)})" if error.allowed_actions else ""
