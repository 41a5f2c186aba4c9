"""The commands that read: `list`, `show`, `results`, `queue`, `hospitals`."""

from collections.abc import Sequence
from typing import Any

import click

from longhaul_client.command import tables
from longhaul_client.command.arguments import PRIORITY, STATUS, STEP_STATUS, filled, task_id, weights
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import print_error, print_line
from longhaul_client.command.time_parsing import time_before_now
from longhaul_client.documents import Document
from longhaul_client.resources import Directory

SORTS = ("created_at", "updated_at", "priority", "progress")
MAX_PAGE_SIZE = 1000  # the size of each page with --all
PARTS_SHOWN = 1000


def _pages(function: Any) -> Any:
    page = click.option("--page", type=click.IntRange(1), default=1, show_default=True)
    size = click.option("--page-size", type=click.IntRange(1, 1000), default=20, show_default=True)
    return page(size(function))


@click.command(name="list")
@click.option("--status", type=STATUS, multiple=True, help="Only these; may repeat.")
@click.option("--kind", type=filled, metavar="KIND", multiple=True, help="Only these; may repeat.")
@click.option("--priority", type=PRIORITY, multiple=True, help="Only these; may repeat.")
@click.option("--created-after", type=time_before_now, metavar="WHEN", help="From then on; 2h: the last two hours.")
@click.option("--created-before", type=time_before_now, metavar="WHEN", help="Before then.")
@click.option("--ended-after", type=time_before_now, metavar="WHEN", help="Ended from then on.")
@click.option("--ended-before", type=time_before_now, metavar="WHEN", help="Ended before then.")
@click.option(
    "--error-code", type=filled, metavar="CODE", multiple=True, help="Only these; !CODE: any other. May repeat."
)
@click.option("--title", type=filled, metavar="TEXT", help="Part of the title.")
@click.option("--sort", "sort_by", type=click.Choice(SORTS), help="[default: created_at]")
@click.option("--order", "sort_order", type=click.Choice(("asc", "desc")), help="[default: desc]")
@_pages
@click.option("--all", "everything", is_flag=True, help="All, not one page; with --json, a document a line.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids, one a line.")
@api_command
async def list_tasks(
    session: Session, /, page: int, page_size: int, everything: bool, quiet: bool, **filters: Any
) -> None:
    """List tasks, newest first.

    \b
    longhaul list --status FAILED --ended-after 1d
    longhaul list --error-code bad_answer --all --quiet | longhaul retry -
    longhaul list --all --kind hospital_full_refresh --sort progress --json
    longhaul list --status PENDING --all --quiet | longhaul cancel -
    """
    chosen = {name: None if value == () else value for name, value in filters.items()}
    if everything:
        await _list_all(session, chosen, quiet)
        return
    found = await session.tasks.page({**chosen, "page": page, "page_size": page_size})
    if session.as_json:
        session.put(found)
    else:
        _print(session, found["items"], quiet=quiet)
    if found["page"] < found["pages"]:
        _count(found, "tasks", "; more: --all lists them")
    elif not (session.as_json or quiet):
        _count(found, "tasks")


async def _list_all(session: Session, filters: Document, quiet: bool) -> None:
    shown = 0
    async for items in session.tasks.pages({**filters, "limit": MAX_PAGE_SIZE}):
        if session.as_json:
            for task in items:
                session.put(task, indent=None)
        else:
            _print(session, items, quiet=quiet, header=shown == 0)
        shown += len(items)
    if not (session.as_json or quiet):
        print_error(f"tasks: {shown}" if shown else "no tasks")


def _print(session: Session, items: Sequence[Document], *, quiet: bool, header: bool = True) -> None:
    if quiet:
        for task in items:
            print_line(task["task_id"])
    elif items:
        tables.rows(session.console, items, tables.TASK, header=header)


def _count(found: Document, what: str, more: str = "") -> None:
    """Print on standard error which page of how many this is, or that there is nothing."""
    if not found["total"]:
        print_error(f"no {what}")
    else:
        total = f"more than {found['total']}" if found.get("more") else found["total"]
        print_error(f"page {found['page']} of {found['pages']}; {what} in all: {total}{more}")


@click.command()
@task_id
@click.option("--steps", is_flag=True, help=f"Also its steps, up to {PARTS_SHOWN:,}.")
@click.option("--events", is_flag=True, help=f"Also its history, up to {PARTS_SHOWN:,} events.")
@api_command
async def show(session: Session, task_id: str, steps: bool, events: bool) -> None:
    """Show a task.

    \b
    longhaul show TASK_ID --events
    longhaul show TASK_ID --json | jq .result
    """
    task = await session.tasks.read(task_id)
    parts = {
        name: await _parts(session, task_id, name) for name, wanted in (("steps", steps), ("events", events)) if wanted
    }
    for name, (_, more) in parts.items():
        if more:
            print_error(f"more: only the first {PARTS_SHOWN:,} {name} are shown")
    if session.as_json:
        session.put({**task, **{name: found for name, (found, _) in parts.items()}})
        return
    tables.details(session.console, task)
    for name, (found, _) in parts.items():
        session.console.print(f"\n{name}" if found else f"\nno {name}")
        if found:
            tables.rows(session.console, found, tables.STEP if name == "steps" else tables.EVENT)


async def _parts(session: Session, task_id: str, of: str) -> tuple[list[Document], bool]:
    """Return the first steps or events, and whether there are more."""
    found: list[Document] = []
    async for items in session.tasks.parts(task_id, of, {"limit": PARTS_SHOWN}):
        found += items
        if len(found) > PARTS_SHOWN:
            break
    return found[:PARTS_SHOWN], len(found) > PARTS_SHOWN


@click.command()
@task_id
@click.option("--stage", type=filled, metavar="STAGE", help="Only those of this stage.")
@click.option("--status", type=STEP_STATUS, help="Only those that stand so.")
@api_command
async def results(session: Session, task_id: str, stage: str | None, status: str | None) -> None:
    """Print what the items of a code-first workload's task came to, in their order; with --json, a document a line.

    \b
    longhaul results TASK_ID --status FAILED
    longhaul results TASK_ID --stage summarise --json | jq .output
    """
    shown = 0
    async for items in session.tasks.results(task_id, {"stage": stage, "status": status}):
        if session.as_json:
            for item in items:
                session.put(item, indent=None)
        elif items:
            tables.rows(session.console, items, tables.RESULT, header=shown == 0)
        shown += len(items)
    if not session.as_json:
        print_error(f"results: {shown}" if shown else "no results")


@click.command()
@click.argument("kind", required=False, type=filled, metavar="[KIND]")
@click.option("--pause/--resume", "paused", default=None, help="Stop or resume starting tasks of KIND (scope ops).")
@click.option("--max-concurrent", type=click.IntRange(1), help="How many tasks of KIND run at once (scope ops).")
@click.option("--max-queued", type=click.IntRange(0), help="How many tasks of KIND may wait (scope ops).")
@click.option(
    "--weight", "weights", metavar="TENANT=N", multiple=True, callback=weights, help="The tenant's share (scope ops)."
)
@api_command
async def queue(session: Session, /, kind: str | None, **changes: Any) -> None:
    """Show how many tasks wait and run, of every kind or of KIND; or change KIND's queue.

    \b
    longhaul queue
    longhaul queue call_campaign --pause
    """
    given = {name: value for name, value in changes.items() if value not in (None, {})}
    if given and kind is None:
        raise click.UsageError("name the kind: longhaul queue KIND --pause")
    if given and kind is not None:
        queues = [await session.tasks.change_queue(kind, given)]
    else:
        queues = [queue for queue in await session.tasks.queues() if kind in (None, queue["kind"])]
    if session.as_json:
        session.put(queues)
    elif queues:
        tables.rows(session.console, queues, tables.QUEUE)
    else:
        print_error(f"no queue of {kind}")


@click.command()
@click.argument("beginning", required=False, type=filled, metavar="[BEGINNING]")
@click.option("--province", type=filled, metavar="TEXT", help="Only in this province: its name or code.")
@click.option("--level", type=filled, metavar="TEXT", help="Only of this level.")
@_pages
@click.option("--all", "everything", is_flag=True, help="All, not one page; with --json, a document a line.")
@api_command
async def hospitals(session: Session, /, beginning: str | None, everything: bool, **query: Any) -> None:
    """List the hospitals of the directory, or those whose name begins with BEGINNING.

    \b
    longhaul hospitals --province 海南省 --page-size 5
    longhaul hospitals --all --level 三级甲等 --json
    """
    directory, filters = Directory(session.api), {"q": beginning, **query}
    if everything:
        await _list_all_hospitals(session, directory, filters | {"page": None, "page_size": MAX_PAGE_SIZE})
        return
    found = await directory.get_hospitals(filters)
    if session.as_json:
        session.put(found)
        return
    if found["items"]:
        tables.rows(session.console, found["items"], tables.HOSPITAL)
    _count(found, "hospitals")


async def _list_all_hospitals(session: Session, directory: Directory, query: Document) -> None:
    shown, cursor = 0, None
    while True:
        found = await directory.get_hospitals({**query, "cursor": cursor})
        if session.as_json:
            for hospital in found["items"]:
                session.put(hospital, indent=None)
        elif found["items"]:
            tables.rows(session.console, found["items"], tables.HOSPITAL, header=shown == 0)
        shown += len(found["items"])
        if not (cursor := found["next_cursor"]):
            break
    if not session.as_json:
        print_error(f"hospitals: {shown}" if shown else "no hospitals")
