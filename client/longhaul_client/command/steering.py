"""`cancel`, `pause`, `resume`, `retry`, `priority`, `purge`."""

import functools
from collections.abc import Sequence

import click

from longhaul_client.command.arguments import PRIORITY, task_ids
from longhaul_client.command.bulk import steer
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import Outcome, print_error, print_line
from longhaul_client.resources import ENDED


def _action(name: str, text: str, status: str) -> click.Command:
    every = f"longhaul list --all --status {status} --quiet | longhaul {name} -"

    @click.command(name=name, help=f"{text}\n\n\b\nlonghaul {name} TASK_ID\n{every}")
    @task_ids
    @api_command
    async def command(session: Session, task_ids: Sequence[str]) -> Outcome:
        return await steer(session, task_ids, lambda task_id: session.tasks.act(task_id, name), action=name)

    return command


cancel = _action("cancel", "Cancel tasks that have not ended.", "PENDING")
pause = _action("pause", "Pause tasks. What they have done is kept.", "RUNNING")
resume = _action("resume", "Resume paused tasks where they stopped.", "PAUSED")
retry = _action("retry", "Run the failed steps of FAILED tasks again.", "FAILED")


@click.command()
@click.argument("priority", metavar="low|normal|high|urgent", type=PRIORITY)
@task_ids
@api_command
async def priority(session: Session, priority: str, task_ids: Sequence[str]) -> Outcome:
    """Change the priority of tasks: higher ones of a kind are started first.

    \b
    longhaul priority urgent TASK_ID TASK_ID
    """
    act = functools.partial(session.tasks.change, priority=priority)
    return await steer(session, task_ids, act, action="prioritise", priority=priority)


@click.command()
@click.option(
    "--older-than-days", type=click.IntRange(0, 3650), default=7, show_default=True, help="Days since they ended."
)
@click.option("--status", type=click.Choice(ENDED, case_sensitive=False), multiple=True, help="Only these; may repeat.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@api_command
async def purge(session: Session, older_than_days: int, status: Sequence[str], yes: bool) -> None:
    """Delete tasks that have ended, for good.

    \b
    longhaul purge --older-than-days 30 --status SUCCEEDED --yes
    """
    which = " or ".join(status) or "any end"
    question = f"Delete the tasks ({which}) that ended more than {older_than_days} days ago?"
    if not yes and not click.confirm(question, err=True):
        print_error("nothing was deleted")
        return
    query = {"older_than_days": older_than_days, "status": status or None}
    deleted = sum([number async for number in session.tasks.purge(query)])
    if session.as_json:
        session.put({"deleted": deleted})
    else:
        print_line(f"{deleted} deleted")
