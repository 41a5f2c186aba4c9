"""`alerts` and `dead-letters`: what is wrong, who is notified of it, and messages that have failed three times."""

from typing import Any

import click

from longhaul_client.alerts import Alerts, DeadLetters
from longhaul_client.command import tables
from longhaul_client.command.arguments import filled
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import print_error, print_line
from longhaul_client.command.time_parsing import time_from_now
from longhaul_client.documents import Document

STATES, SEVERITIES = ("pending", "firing", "resolved"), ("warning", "critical")
MAX_PAGE_SIZE = 1000

all_tenants = click.option("--all-tenants", is_flag=True, help="For operators (scope ops): the whole deployment's.")
rule_name = click.argument("rule", metavar="RULE")


@click.group(
    help="""See what is wrong, set from when on it is, and silence it.

    \b
    longhaul alerts list --state firing
    longhaul alerts set-rule running_long --warning 1800 --critical 3600
    longhaul alerts silence --until 2h --rule running_count
    """
)
def alerts() -> None:
    """Each command reads --url and --token (see `session.api_command`)."""


@alerts.command(name="list")
@click.option("--state", type=click.Choice(STATES, case_sensitive=False))
@click.option("--rule", type=filled, metavar="RULE")
@click.option("--severity", type=click.Choice(SEVERITIES, case_sensitive=False))
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Show the newest ones, at most this many."
)
@all_tenants
@api_command
async def list_alerts(session: Session, /, limit: int, all_tenants: bool, **chosen: Any) -> None:
    """List alerts, the newest first; with --json, a document a line.

    \b
    longhaul alerts list --state firing --severity critical
    """
    shown = 0
    query = {**chosen, "limit": min(limit, MAX_PAGE_SIZE)}
    async for page in Alerts(session.api, all_tenants=all_tenants).pages(query):
        items = page[: limit - shown]
        _rows(session, items, tables.ALERT, header=shown == 0)
        shown += len(items)
        if shown == limit:
            break
    if not (session.as_json or shown):
        print_error("no alerts")


@alerts.command()
@click.argument("alert_id", metavar="ALERT_ID")
@all_tenants
@api_command
async def show(session: Session, alert_id: str, all_tenants: bool) -> None:
    """Show an alert and what happened to it.

    \b
    longhaul alerts show ALERT_ID
    """
    alert = await Alerts(session.api, all_tenants=all_tenants).read(alert_id)
    if session.as_json:
        session.put(alert)
        return
    history = alert.pop("history")
    tables.details(session.console, alert)
    tables.rows(session.console, history, tables.HAPPENED)


@alerts.command()
@click.argument("alert_id", metavar="ALERT_ID")
@all_tenants
@api_command
async def acknowledge(session: Session, alert_id: str, all_tenants: bool) -> None:
    """Say that somebody sees to an alert: it is not repeated, unless it becomes critical.

    \b
    longhaul alerts acknowledge ALERT_ID
    """
    _print(session, await Alerts(session.api, all_tenants=all_tenants).acknowledge(alert_id))


@alerts.command()
@all_tenants
@api_command
async def rules(session: Session, all_tenants: bool) -> None:
    """List the rules with the thresholds that hold.

    \b
    longhaul alerts rules
    """
    items = await Alerts(session.api, all_tenants=all_tenants).rules()
    if session.as_json:
        session.put(items)
    else:
        tables.rows(session.console, items, tables.RULE)


@alerts.command(name="set-rule")
@rule_name
@click.option("--warning", type=float, help="Above it the alert is a warning; without it never.")
@click.option("--critical", type=float, help="Above it the alert is critical; without it never.")
@click.option(
    "--hold",
    "hold_seconds",
    type=click.IntRange(0),
    default=0,
    help="Seconds for which the value must be above, before it fires.",
)
@click.option("--disable", is_flag=True, help="The rule makes no alerts.")
@all_tenants
@api_command
async def set_rule(session: Session, /, rule: str, disable: bool, all_tenants: bool, **given: Any) -> None:
    """Set all of a rule's thresholds.

    \b
    longhaul alerts set-rule failed_share --warning 0.05 --critical 0.1
    """
    found = await Alerts(session.api, all_tenants=all_tenants).set_rule(rule, enabled=not disable, **given)
    _print(session, found)


@alerts.command(name="reset-rule")
@rule_name
@all_tenants
@api_command
async def reset_rule(session: Session, rule: str, all_tenants: bool) -> None:
    """Let the operator's thresholds hold again, or those built in.

    \b
    longhaul alerts reset-rule failed_share
    """
    _print(session, await Alerts(session.api, all_tenants=all_tenants).reset_rule(rule))


@alerts.command()
@click.option("--until", "ends_at", type=time_from_now, metavar="WHEN", required=True, help="2h, a date.")
@click.option("--rule", type=filled, metavar="RULE", help="Only alerts of this rule.")
@click.option("--subject", type=filled, help="Only of this task, kind, webhook or queue.")
@click.option("--comment", type=filled, metavar="TEXT")
@all_tenants
@api_command
async def silence(session: Session, /, all_tenants: bool, **given: Any) -> None:
    """Notify nobody of alerts until a time. What still fires then is told of.

    \b
    longhaul alerts silence --until 2h --comment "a release"
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    _print(session, await Alerts(session.api, all_tenants=all_tenants).silence(**chosen))


@alerts.command()
@all_tenants
@api_command
async def silences(session: Session, all_tenants: bool) -> None:
    """List the silences, the newest first; with --json, a document a line.

    \b
    longhaul alerts silences
    """
    shown = 0
    async for items in Alerts(session.api, all_tenants=all_tenants).silences():
        _rows(session, items, tables.SILENCE, header=shown == 0)
        shown += len(items)
    if not (session.as_json or shown):
        print_error("no silences")


@alerts.command()
@click.argument("silence_id", metavar="SILENCE_ID")
@all_tenants
@api_command
async def unsilence(session: Session, silence_id: str, all_tenants: bool) -> None:
    """End a silence.

    \b
    longhaul alerts unsilence SILENCE_ID
    """
    await Alerts(session.api, all_tenants=all_tenants).unsilence(silence_id)
    if session.as_json:
        session.put({"silence_id": silence_id})
    else:
        print_line(f"{silence_id} ended")


@click.group(
    name="dead-letters",
    help="""See messages that have failed three times, and try them again. For operators (scope ops).

    \b
    longhaul dead-letters list
    longhaul dead-letters redrive Progress --limit 100
    """,
)
def dead_letters() -> None:
    """Each command reads --url and --token (see `session.api_command`)."""


@dead_letters.command(name="list")
@click.option("--all", "every", is_flag=True, help="Also the queues that have none.")
@api_command
async def list_dead_letters(session: Session, every: bool) -> None:
    """List the queues that have dead letters.

    \b
    longhaul dead-letters list
    """
    items = [item for item in await DeadLetters(session.api).queues() if every or item["count"]]
    if session.as_json:
        session.put(items)
    elif items:
        tables.rows(session.console, items, tables.DEAD_LETTERS)
    else:
        print_error("no dead letters")


@dead_letters.command(name="show")
@click.argument("queue", metavar="QUEUE")
@click.option("--limit", type=click.IntRange(1, 50), default=10, show_default=True)
@api_command
async def show_dead_letters(session: Session, queue: str, limit: int) -> None:
    """Look at a queue's dead letters. They stay where they are.

    \b
    longhaul dead-letters show Progress
    """
    items = await DeadLetters(session.api).look(queue, limit)
    if session.as_json:
        session.put(items)
    elif items:
        tables.rows(session.console, items, tables.DEAD_LETTER)
    else:
        print_error("no dead letters")


@dead_letters.command()
@click.argument("queue", metavar="QUEUE")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Put back this many messages at most."
)
@api_command
async def redrive(session: Session, queue: str, limit: int) -> None:
    """Put dead letters back into their queue. One of a task that has ended changes nothing.

    \b
    longhaul dead-letters redrive Progress
    """
    answer = await DeadLetters(session.api).redrive(queue, limit)
    if session.as_json:
        session.put(answer)
    else:
        print_line(f"{answer['moved']} are in {queue} again, {answer['left']} are left")


def _rows(session: Session, items: list[Document], names: tuple[str, ...], *, header: bool) -> None:
    if session.as_json:
        for item in items:
            session.put(item, indent=None)
    elif items:
        tables.rows(session.console, items, names, header=header)


def _print(session: Session, document: Document) -> None:
    if session.as_json:
        session.put(document)
    else:
        tables.details(session.console, document)
