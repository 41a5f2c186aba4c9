"""`submit` and `watch`."""

import asyncio
from collections.abc import Sequence

import click

from longhaul_client.command.arguments import PRIORITY, filled, params_of, task_ids
from longhaul_client.command.bulk import no_ids
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import Outcome, print_error, print_line, worst
from longhaul_client.command.time_parsing import SECONDS, time_from_now
from longhaul_client.display import display
from longhaul_client.documents import Document
from longhaul_client.errors import TaskError, TaskTimeoutError
from longhaul_client.following import watch


@click.command()
@click.argument("kind")
@click.argument("pairs", metavar="[KEY=TEXT | KEY:=JSON]...", nargs=-1)
@click.option("--params", metavar="JSON | @FILE | -", help="The params as one JSON object.")
@click.option("--priority", type=PRIORITY, help="Higher ones of a kind are started first.")
@click.option("--title", type=filled, metavar="TEXT", help="Its name for people.")
@click.option("--run-after", type=time_from_now, metavar="WHEN", help="Not before: 2026-11-25T18:00, or in 10m, 2h.")
@click.option("--deadline", type=time_from_now, metavar="WHEN", help="It fails if it has not ended by then.")
@click.option(
    "--idempotency-key", "key", type=filled, metavar="TEXT", help="The same key and params give the same task again."
)
@click.option(
    "--callback",
    "callbacks",
    type=filled,
    metavar="URL",
    multiple=True,
    help="Have its notices posted there, signed (longhaul webhooks secret); may repeat.",
)
@click.option("-w", "--watch", "watched", is_flag=True, help="Follow it to its end.")
@api_command
async def submit(
    session: Session,
    /,
    pairs: tuple[str, ...],
    params: str | None,
    watched: bool,
    kind: str,
    callbacks: tuple[str, ...],
    **more: str | None,
) -> Outcome:
    """Submit a task of KIND and print its id.

    \b
    longhaul submit hospital_province_refresh province=海南省 --watch
    longhaul submit hospital_full_refresh --priority low --run-after 2h
    longhaul submit call_campaign --params @campaign.json
    """
    addresses = [{"url": url} for url in callbacks] or None
    task = await session.tasks.submit(kind, params_of(pairs, params), callbacks=addresses, **more)
    if not session.as_json:
        print_line(task["task_id"])
    elif not watched:
        session.put(task)
    return await _follow(session, [task["task_id"]]) if watched else Outcome.OK


@click.command(name="watch")
@task_ids
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="Stop watching after so long; the tasks continue.")
@api_command
async def watch_tasks(session: Session, task_ids: Sequence[str], timeout: float | None) -> Outcome:
    """Follow tasks to their end: bars on a terminal, else a line for each change (--json: a document).

    \b
    longhaul watch TASK_ID TASK_ID --timeout 600
    longhaul list --all --status RUNNING --quiet | longhaul watch -
    """
    if not task_ids:
        return no_ids(session)
    try:
        async with asyncio.timeout(timeout):
            return await _follow(session, task_ids)
    except TimeoutError as error:
        raise TaskTimeoutError(f"not all had ended after {timeout:g} s; they continue") from error


async def _follow(session: Session, ids: Sequence[str]) -> Outcome:
    if session.as_json:
        ends = await watch(session.api, ids, lambda task: session.put(task, indent=None))
    else:
        with display(session.console) as shown:
            ends = await watch(session.api, ids, shown.show)
    _explain(ids, ends)
    return worst(ends)


def _explain(ids: Sequence[str], ends: Sequence[Document | TaskError]) -> None:
    """Print why tasks did not succeed, a line each."""
    for task_id, end in zip(ids, ends, strict=True):
        if isinstance(end, TaskError):
            print_error(f"{task_id}: {end}")
        elif end["status"] != "SUCCEEDED":
            error = end["error"]
            print_error(f"{task_id} {end['status']}" + (f": {error['code']}: {error['message']}" if error else ""))
