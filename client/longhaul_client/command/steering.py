"""`cancel`, `pause`, `resume`, `retry`, `priority`, `purge`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import click

from longhaul_client.command.arguments import PRIORITY, task_ids
from longhaul_client.command.outcomes import Outcome, outcome_of
from longhaul_client.command.session import Session, asking, complain
from longhaul_client.errors import Document, TaskError
from longhaul_client.tasks import ENDED

AT_ONCE = 8  # requests


def _action(name: str, text: str) -> click.Command:
    @click.command(name=name, help=f"{text}\n\n\b\nlonghaul {name} TASK_ID\nlonghaul list --quiet | longhaul {name} -")
    @task_ids
    @asking
    async def command(session: Session, task_ids: Sequence[str]) -> Outcome:
        return await _each(session, task_ids, lambda task_id: session.tasks.act(task_id, name))

    return command


cancel = _action("cancel", "Cancel tasks that have not ended.")
pause = _action("pause", "Pause tasks: what they have done is kept.")
resume = _action("resume", "Let paused tasks go on where they were.")
retry = _action("retry", "Run the failed steps of FAILED tasks again.")


@click.command()
@click.argument("priority", metavar="low|normal|high|urgent", type=PRIORITY)
@task_ids
@asking
async def priority(session: Session, priority: str, task_ids: Sequence[str]) -> Outcome:
    """Change how tasks go before others.

    \b
    longhaul priority urgent TASK_ID TASK_ID
    """
    return await _each(session, task_ids, lambda task_id: session.tasks.change(task_id, priority=priority))


@click.command()
@click.option("--older-than-days", type=click.IntRange(0, 3650), default=7, show_default=True, help="Since they ended.")
@click.option("--status", type=click.Choice(ENDED, case_sensitive=False), multiple=True, help="Only these; may repeat.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@asking
async def purge(session: Session, older_than_days: int, status: Sequence[str], yes: bool) -> None:
    """Delete tasks that have ended, for good.

    \b
    longhaul purge --older-than-days 30 --status SUCCEEDED --yes
    """
    which = " or ".join(status) or "any end"
    question = f"Delete the tasks ({which}) that ended more than {older_than_days} days ago?"
    if not yes and not click.confirm(question, err=True):
        complain("nothing was deleted")
        return
    query = {"older_than_days": older_than_days, "status": status}
    deleted = sum([number async for number in session.tasks.purge(query)])
    if session.as_json:
        session.put({"deleted": deleted})
    else:
        click.echo(f"{deleted} deleted")


async def _each(session: Session, ids: Sequence[str], act: Callable[[str], Awaitable[Document]]) -> Outcome:
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
