"""`list`, `show`, `queue`, `hospitals`."""

from collections.abc import Sequence
from typing import Any

import click

from longhaul_client.command import tables
from longhaul_client.command.arguments import PRIORITY, STATUS, task_id, weights
from longhaul_client.command.moments import moment_before
from longhaul_client.command.session import Session, asking, complain
from longhaul_client.directory import Directory
from longhaul_client.errors import Document

SORTS = ("created_at", "updated_at", "priority", "progress")
EVERYTHING = 1000  # items of a page when all are wanted
PARTS_SHOWN = 1000


def _pages(function: Any) -> Any:
    page = click.option("--page", type=click.IntRange(1), default=1, show_default=True)
    size = click.option("--page-size", type=click.IntRange(1, 1000), default=20, show_default=True)
    return page(size(function))


@click.command(name="list")
@click.option("--status", type=STATUS, multiple=True, help="Only these; may repeat.")
@click.option("--kind", multiple=True, help="Only these; may repeat.")
@click.option("--priority", type=PRIORITY, multiple=True, help="Only these; may repeat.")
@click.option("--created-after", type=moment_before, metavar="WHEN", help="From then on; 2h: the last two hours.")
@click.option("--created-before", type=moment_before, metavar="WHEN", help="Before then.")
@click.option("--title", help="Text within the title.")
@click.option("--sort", "sort_by", type=click.Choice(SORTS), help="[default: created_at]")
@click.option("--order", "sort_order", type=click.Choice(("asc", "desc")), help="[default: desc]")
@_pages
@click.option("--all", "everything", is_flag=True, help="Not a page but all; with --json, a document a line.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids, a line each.")
@asking
async def list_tasks(
    session: Session, /, page: int, page_size: int, everything: bool, quiet: bool, **filters: Any
) -> None:
    """List tasks, newest first.

    \b
    longhaul list --status FAILED --created-after 1d
    longhaul list --all --kind hospital_full_refresh --sort progress --json
    longhaul list --status PENDING --all --quiet | longhaul cancel -
    """
    if everything:
        await _list_all(session, filters, quiet)
        return
    found = await session.tasks.page({**filters, "page": page, "page_size": page_size})
    if session.as_json:
        session.put(found)
        return
    _print(session, found["items"], quiet=quiet)
    if not quiet:
        _count(found, "tasks")


async def _list_all(session: Session, filters: Document, quiet: bool) -> None:
    shown = 0
    async for items in session.tasks.pages({**filters, "limit": EVERYTHING}):
        if session.as_json:
            for task in items:
                session.put(task, indent=None)
        else:
            _print(session, items, quiet=quiet, header=shown == 0)
        shown += len(items)
    if not (session.as_json or quiet):
        complain(f"tasks: {shown}" if shown else "no tasks")


def _print(session: Session, items: Sequence[Document], *, quiet: bool, header: bool = True) -> None:
    if quiet:
        for task in items:
            click.echo(task["task_id"])
    elif items:
        tables.rows(session.console, items, tables.TASK, header=header)


def _count(found: Document, what: str) -> None:
    """Told apart from the rows: which page of how many this is, or that there is nothing."""
    if not found["total"]:
        complain(f"no {what}")
    else:
        complain(f"page {found['page']} of {found['pages']}; {what} in all: {found['total']}")


@click.command()
@task_id
@click.option("--steps", is_flag=True, help=f"Its steps too, up to {PARTS_SHOWN:,}.")
@click.option("--events", is_flag=True, help=f"What happened to it, too, up to {PARTS_SHOWN:,}.")
@asking
async def show(session: Session, task_id: str, steps: bool, events: bool) -> None:
    """Show a task.

    \b
    longhaul show TASK_ID --events
    longhaul show TASK_ID --json | jq .result
    """
    task = await session.tasks.read(task_id)
    parts = {
        name: await _parts(session, task_id, name) for name, asked in (("steps", steps), ("events", events)) if asked
    }
    if session.as_json:
        session.put({**task, **parts})
        return
    tables.details(session.console, task)
    for name, found in parts.items():
        session.console.print(f"\n{name}" if found else f"\nno {name}")
        if found:
            tables.rows(session.console, found, tables.STEP if name == "steps" else tables.EVENT)


async def _parts(session: Session, task_id: str, of: str) -> list[Document]:
    found: list[Document] = []
    async for items in session.tasks.parts(task_id, of, {"limit": PARTS_SHOWN}):
        found += items
        if len(found) >= PARTS_SHOWN:
            break
    return found[:PARTS_SHOWN]


@click.command()
@click.argument("kind", required=False)
@click.option("--pause/--resume", "paused", default=None, help="Start no more of KIND, or go on (scope ops).")
@click.option("--max-concurrent", type=click.IntRange(1), help="So many of KIND run at once (scope ops).")
@click.option("--max-queued", type=click.IntRange(0), help="So many of KIND may wait (scope ops).")
@click.option("--weight", "weights", metavar="TENANT=N", multiple=True, callback=weights, help="Its share (scope ops).")
@asking
async def queue(session: Session, /, kind: str | None, **changes: Any) -> None:
    """Show who waits and runs, of every kind or of KIND; or change KIND's lane.

    \b
    longhaul queue
    longhaul queue call_campaign --pause
    """
    given = {name: value for name, value in changes.items() if value not in (None, {})}
    if given and kind is None:
        raise click.UsageError("which kind? longhaul queue KIND --pause")
    if given and kind is not None:
        lanes = [await session.tasks.change_lane(kind, given)]
    else:
        lanes = [lane for lane in await session.tasks.lanes() if kind in (None, lane["kind"])]
    if session.as_json:
        session.put(lanes)
    elif lanes:
        tables.rows(session.console, lanes, tables.LANE)
    else:
        complain(f"no lane of {kind}")


@click.command()
@click.argument("beginning", required=False)
@click.option("--province", help="Only in this one: its name or code.")
@click.option("--level", help="Only of this level.")
@_pages
@asking
async def hospitals(session: Session, /, beginning: str | None, **query: Any) -> None:
    """List the directory's hospitals; those whose name begins with BEGINNING.

    \b
    longhaul hospitals --province 海南省 --page-size 5
    """
    found = await Directory(session.api).get_hospitals({"q": beginning, **query})
    if session.as_json:
        session.put(found)
        return
    if found["items"]:
        tables.rows(session.console, found["items"], tables.HOSPITAL)
    _count(found, "hospitals")
