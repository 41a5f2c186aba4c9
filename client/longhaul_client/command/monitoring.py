"""`monitor`: a live screen of queues, rates, running tasks and alerts."""

import asyncio
from asyncio import sleep as pause
from dataclasses import asdict, dataclass

import click
from rich.console import Group
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from longhaul_client.command import tables
from longhaul_client.command.arguments import filled
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import Outcome
from longhaul_client.documents import Document, local_time, printable
from longhaul_client.errors import TaskNotFoundError
from longhaul_client.monitoring import Monitor

ALERTS = "/api/v1/alerts"
ALERTS_SHOWN, TASKS_SHOWN = 20, 15

_RATES = ("kind", "submitted", "ended", "failed", "success", "mean", "p95", "units / s", "running", "waiting")
_RUNNING = ("task_id", "title", "progress", "current_step", "running_for")
_QUEUE = ("kind", "waiting", "running", "max_concurrent", "max_queued", "paused", "oldest_waiting_seconds")
_ALERT = ("severity", "rule", "subject", "state", "value", "threshold")
_STATUS = {"healthy": "green", "warning": "yellow", "critical": "bold red"}


@dataclass(frozen=True)
class Seen:
    """What the screen shows. `alerts` is None where the stack has none."""

    metrics: Document
    health: Document
    queues: list[Document]
    alerts: list[Document] | None


@click.command()
@click.option("--window", type=filled, default="24h", show_default=True, help="Of the figures: 15m to 90d.")
@click.option("--kind", "kinds", type=filled, metavar="KIND", multiple=True, help="Only these; may repeat.")
@click.option("--all-tenants", is_flag=True, help="Of all tenants (scope ops).")
@click.option(
    "--interval", type=click.FloatRange(1, 3600), default=5.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Look once, and end: 0 when healthy, else 1.")
@api_command
async def monitor(
    session: Session, window: str, kinds: tuple[str, ...], all_tenants: bool, interval: float, once: bool
) -> Outcome:
    """Show queues, rates, running tasks and alerts, live. Ctrl-C ends it.

    With --json each look is a document on a line.

    \b
    longhaul monitor --window 1h
    longhaul monitor --once --json | jq .health.status
    """
    query = {"window": window, "kind": list(kinds) or None, "all_tenants": "true" if all_tenants else None}
    seen = await _look(session, query)
    if once or session.as_json:
        _print(session, seen, indent=2 if once else None)
    if once:
        return Outcome.OK if seen.health["status"] == "healthy" else Outcome.FAILED
    if session.as_json:
        while True:
            await pause(interval)
            _print(session, await _look(session, query), indent=None)
    with Live(_screen(seen), console=session.console, screen=session.console.is_terminal, auto_refresh=False) as live:
        while True:
            await pause(interval)
            live.update(_screen(await _look(session, query)), refresh=True)


async def _look(session: Session, query: Document) -> Seen:
    monitor = Monitor(session.api)
    metrics, health, queues, alerts = await asyncio.gather(
        monitor.metrics(query), monitor.health(query), session.tasks.queues(), _alerts(session, query)
    )
    chosen = [queue for queue in queues if query["kind"] is None or queue["kind"] in query["kind"]]
    return Seen(metrics, health, chosen, alerts)


async def _alerts(session: Session, query: Document) -> list[Document] | None:
    try:
        wanted = {"state": "firing", "limit": ALERTS_SHOWN, "all_tenants": query["all_tenants"]}
        found = await session.api.get(ALERTS, wanted, expects=("items",))
    except TaskNotFoundError:
        return None
    items: list[Document] = found["items"]
    return items


def _print(session: Session, seen: Seen, *, indent: int | None) -> None:
    if session.as_json:
        session.put(asdict(seen), indent=indent)
    else:
        session.console.print(_screen(seen))


def _screen(seen: Seen) -> Group:
    health = seen.health
    style = _STATUS.get(health["status"], "")
    moment = local_time(seen.metrics["as_of"]).strftime("%H:%M:%S")
    running = [
        task | {"running_for": _duration(task["running_seconds"])}
        for task in seen.metrics["longest_running"][:TASKS_SHOWN]
    ]
    parts = [
        Text.assemble((printable(health["status"]), style), f"  as of {moment}"),
        *(Text(f"  {printable(issue['message'])}", style=style) for issue in health["issues"]),
        Rule("Rates", align="left"),
        _rates(seen.metrics),
        Rule("Queues", align="left"),
        tables.table(seen.queues, _QUEUE),
        Rule("Running, longest first", align="left"),
        tables.table(running, _RUNNING) if running else Text("none"),
    ]
    if seen.alerts is not None:
        parts += [Rule("Alerts", align="left"), tables.table(seen.alerts, _ALERT) if seen.alerts else Text("none")]
    return Group(*parts)


def _rates(metrics: Document) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in _RATES:
        table.add_column(name, justify="left" if name == "kind" else "right", overflow="fold")
    for part in (*metrics["kinds"], {"kind": "all", **metrics}):
        figures, now = part["figures"], part["now"]
        success, units = figures["success_rate"], figures["units_per_second"]
        table.add_row(
            Text(printable(str(part["kind"]))),
            *(str(figures[name]) for name in ("submitted", "ended", "failed")),
            "" if success is None else f"{success:.1%}",
            _duration(figures["running"]["mean"]),
            _duration(figures["running"]["p95"]),
            "" if units is None else f"{units:.2f}",
            str(now["running"]),
            str(now["waiting"]),
        )
    return table


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
