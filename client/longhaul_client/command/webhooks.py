"""`webhooks`: addresses to which notices are posted, and what was delivered to them."""

from collections.abc import Sequence
from typing import Any

import click

from longhaul_client.channels import Webhooks
from longhaul_client.command import tables
from longhaul_client.command.arguments import filled
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import print_error, print_line
from longhaul_client.command.time_parsing import time_before_now
from longhaul_client.documents import Document

EVENTS = (
    *("started", "succeeded", "failed", "expired", "cancelled", "paused"),
    *("resumed", "retried", "requeued", "changed", "recovered"),
)
ALERT_EVENTS = ("firing", "escalated", "repeated", "acknowledged", "resolved")
PREFIX, ALERT_PREFIX = "longhaul.task.", "longhaul.alert."
MAX_PAGE_SIZE = 1000

webhook_id = click.argument("webhook_id", metavar="WEBHOOK_ID")
events = click.option(
    "--event",
    "events",
    type=click.Choice((*EVENTS, *ALERT_EVENTS), case_sensitive=False),
    multiple=True,
    help="Only what is of this type; may repeat.",
)
kinds = click.option(
    "--kind", "kinds", type=filled, metavar="KIND", multiple=True, help="Only of tasks of this kind; may repeat."
)
title = click.option("--title", type=filled, metavar="TEXT", help="Its name for people.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")


@click.group(
    help="""Have notices of tasks posted to addresses, signed as Standard Webhooks are.

    \b
    longhaul webhooks add https://hooks.example.com/longhaul --event failed
    longhaul webhooks test WEBHOOK_ID
    longhaul webhooks deliveries WEBHOOK_ID --status FAILED
    longhaul listen --forward http://localhost:8000/hook    # without an address of your own
    """
)
def webhooks() -> None:
    """Each command reads --url and --token (see `session.api_command`)."""


@webhooks.command(name="list")
@api_command
async def list_webhooks(session: Session) -> None:
    """List the webhooks; with --json, a document a line.

    \b
    longhaul webhooks list
    """
    shown = 0
    async for items in Webhooks(session.api).pages():
        if session.as_json:
            for item in items:
                session.put(item, indent=None)
        elif items:
            tables.rows(session.console, items, tables.WEBHOOK, header=shown == 0)
        shown += len(items)
    if not (session.as_json or shown):
        print_error("no webhooks")


@webhooks.command()
@click.argument("address", metavar="URL")
@events
@kinds
@title
@api_command
async def add(session: Session, /, address: str, **given: Any) -> None:
    """Make a webhook and print it with its secret, which is not shown again.

    \b
    longhaul webhooks add https://hooks.example.com/longhaul --event failed --kind call_campaign
    """
    _print(session, await Webhooks(session.api).add(url=address, **_chosen(given)))


@webhooks.command()
@webhook_id
@api_command
async def show(session: Session, webhook_id: str) -> None:
    """Show a webhook.

    \b
    longhaul webhooks show WEBHOOK_ID
    """
    _print(session, await Webhooks(session.api).read(webhook_id))


@webhooks.command()
@webhook_id
@click.option("--to", "address", type=filled, metavar="URL", help="Another address, which enables it.")
@events
@kinds
@title
@click.option("--all-events", is_flag=True, help="Notices of every type.")
@click.option("--all-kinds", is_flag=True, help="Notices of tasks of every kind.")
@click.option("--enable", is_flag=True, help="Enable one that is disabled: its receiver failed for days or is gone.")
@api_command
async def change(
    session: Session,
    /,
    webhook_id: str,
    address: str | None,
    all_events: bool,
    all_kinds: bool,
    enable: bool,
    **given: Any,
) -> None:
    """Change a webhook.

    \b
    longhaul webhooks change WEBHOOK_ID --to https://hooks.example.com/new --all-events
    longhaul webhooks change WEBHOOK_ID --enable
    """
    changes = _chosen(given)
    if (all_events and "events" in changes) or (all_kinds and "kinds" in changes):
        raise click.UsageError("all, or only some: not both")
    changes |= {"url": address} if address else {}
    changes |= {name: None for name, wanted in (("events", all_events), ("kinds", all_kinds)) if wanted}
    changes |= {"disabled": False} if enable else {}
    if not changes:
        raise click.UsageError("say what is to change: longhaul webhooks change WEBHOOK_ID --title TEXT")
    _print(session, await Webhooks(session.api).change(webhook_id, **changes))


def _pausing(name: str, text: str, paused: bool) -> click.Command:
    @webhooks.command(name=name, help=f"{text}\n\n\b\nlonghaul webhooks {name} WEBHOOK_ID")
    @webhook_id
    @api_command
    async def command(session: Session, webhook_id: str) -> None:
        _print(session, await Webhooks(session.api).change(webhook_id, paused=paused))

    return command


pause = _pausing("pause", "Pause a webhook: its deliveries wait.", True)
resume = _pausing("resume", "Resume a webhook that is paused.", False)


@webhooks.command()
@webhook_id
@api_command
async def rotate(session: Session, webhook_id: str) -> None:
    """Replace a webhook's secret and print the new one. The former signs, too, for a day.

    \b
    longhaul webhooks rotate WEBHOOK_ID
    """
    _print(session, await Webhooks(session.api).rotate(webhook_id))


@webhooks.command()
@webhook_id
@api_command
async def test(session: Session, webhook_id: str) -> None:
    """Have a test posted; `deliveries` shows how the receiver answered.

    \b
    longhaul webhooks test WEBHOOK_ID && longhaul webhooks deliveries WEBHOOK_ID --limit 1
    """
    _print(session, await Webhooks(session.api).test(webhook_id))


@webhooks.command()
@webhook_id
@click.option("--status", type=click.Choice(("PENDING", "SUCCEEDED", "FAILED"), case_sensitive=False))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The newest so many.")
@api_command
async def deliveries(session: Session, webhook_id: str, status: str | None, limit: int) -> None:
    """List what was, or is to be, posted, the newest first; with --json, a document a line.

    \b
    longhaul webhooks deliveries WEBHOOK_ID --status FAILED --limit 100
    """
    shown = 0
    query = {"status": status, "limit": min(limit, MAX_PAGE_SIZE)}
    async for page in Webhooks(session.api).deliveries(webhook_id, query):
        items = page[: limit - shown]
        if session.as_json:
            for item in items:
                session.put(item, indent=None)
        elif items:
            tables.rows(session.console, items, tables.DELIVERY, header=shown == 0)
        shown += len(items)
        if shown == limit:
            break
    if not (session.as_json or shown):
        print_error("no deliveries")


@webhooks.command()
@webhook_id
@click.argument("delivery_ids", metavar="[DELIVERY_ID]...", nargs=-1)
@click.option("--since", type=time_before_now, metavar="WHEN", help="All that were recorded from then on: 2h, a date.")
@click.option(
    "--status",
    type=click.Choice(("SUCCEEDED", "FAILED"), case_sensitive=False),
    multiple=True,
    help="With --since: only those that ended so.",
)
@api_command
async def replay(
    session: Session, webhook_id: str, delivery_ids: Sequence[str], since: str | None, status: Sequence[str]
) -> None:
    """Post deliveries again, under the ids that they had: the ones that are named, or all since a time.

    \b
    longhaul webhooks replay WEBHOOK_ID DELIVERY_ID
    longhaul webhooks replay WEBHOOK_ID --since 2h --status FAILED
    """
    if bool(delivery_ids) == (since is not None) or (status and since is None):
        raise click.UsageError("name deliveries, or a time: longhaul webhooks replay WEBHOOK_ID --since 2h")
    hooks = Webhooks(session.api)
    if since is None:
        for delivery_id in delivery_ids:
            _print(session, await hooks.replay(webhook_id, delivery_id))
        return
    chosen: Document = {"since": since} | ({"status": list(status)} if status else {})
    replayed = sum([number async for number in hooks.replay_since(webhook_id, **chosen)])
    if session.as_json:
        session.put({"replayed": replayed})
    else:
        print_line(f"{replayed} are posted again")


@webhooks.command()
@webhook_id
@yes
@api_command
async def remove(session: Session, webhook_id: str, yes: bool) -> None:
    """Delete a webhook and the log of its deliveries, for good.

    \b
    longhaul webhooks remove WEBHOOK_ID --yes
    """
    if not yes and not click.confirm(f"Delete the webhook {webhook_id} and its deliveries?", err=True):
        print_error("nothing was deleted")
        return
    await Webhooks(session.api).remove(webhook_id)
    if session.as_json:
        session.put({"webhook_id": webhook_id})
    else:
        print_line(f"{webhook_id} deleted")


@webhooks.command()
@click.option("--rotate", "rotated", is_flag=True, help="Replace it. The former one signs, too, for a day.")
@api_command
async def secret(session: Session, rotated: bool) -> None:
    """Print the secret that signs what is posted to the callbacks of tasks (submit --callback).

    \b
    longhaul webhooks secret
    """
    hooks = Webhooks(session.api)
    found = await (hooks.rotate_secret() if rotated else hooks.secret())
    if session.as_json:
        session.put(found)
    else:
        print_line(found["secret"])


def _chosen(given: Document) -> Document:
    """What is given of title, events and kinds, as the API names it."""
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}
    if "events" in wanted:
        wanted["events"] = [(ALERT_PREFIX if event in ALERT_EVENTS else PREFIX) + event for event in wanted["events"]]
    return wanted


def _print(session: Session, document: Document) -> None:
    if session.as_json:
        session.put(document)
    else:
        tables.details(session.console, document)
