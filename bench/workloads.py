"""The engine's cost of a step of a code-first workload, beside Celery and DBOS, in one run; the step itself is instant.

Each round runs every contender once, and the medians count. The processor time is that of a contender's own processes,
without the databases'. Then come its statements and AWS calls, AWS's list price, and a task of many items on the local
stack. The figures go to workloads.json.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import results_folder, write_results
from bench.calls_data import Server
from bench.workload_engine import PARTS, engine
from bench.workload_peers import peers
from bench.workload_prices import BATCHES, GOAL, prices
from bench.workload_stack import HISTORY_LIMIT, STATE_LIMIT, run, run_many, stack_with_instant, transitions
from local.running import RunningStack

KINDS = {"batches of 1": "instant_1", "batches of 25": "instant_25"}
COUNTED = KINDS | {f"{batches}, with save": f"{kind}_saving" for batches, kind in KINDS.items()}
IN_PROCESS, ON_STACK = "engine in process, MariaDB, ", "local stack, 5 in flight, "
RESULTS = "workloads.json"
PARTS_OF_BENCH = ("race", "many")
PAGE_TRANSITIONS = 3  # PlanStage, IsThereMore, RunBatches


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database-url", default="mysql://root@127.0.0.1:3306", help="MariaDB (%(default)s)")
    arguments.add_argument("--postgres-url", default="postgresql://postgres@127.0.0.1:5432", help="(%(default)s)")
    arguments.add_argument("--items", type=int, default=500, help="of a task in each round (%(default)s)")
    arguments.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    arguments.add_argument("--many", type=int, default=20_000, help="items of the large task (%(default)s)")
    arguments.add_argument(
        "--part", choices=PARTS_OF_BENCH, help="measure this part alone, and keep the other's figures"
    )
    given = arguments.parse_args()
    figures: dict[str, Any] = {}
    if given.part and (kept := results_folder() / RESULTS).exists():
        figures = json.loads(kept.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, stack_with_instant(Path(folder)) as stack:
        if given.part != "many":
            figures["race"] = race(stack, given)
        if given.part != "race":
            figures["many"] = run_many(stack, given.many)
    if figures.keys() >= {"race", "many"}:
        figures |= priced(figures["race"]["costs"], figures["many"]["child"]["states_entered"])
    show(figures)
    write_results(RESULTS, figures)


def priced(costs: dict[str, Any], states_of_batch: list[str]) -> dict[str, Any]:
    a_batch = transitions(states_of_batch)
    milliseconds = {size: costs[f"batches of {size}"]["batch"]["wall_ms"] for size in (1, 25)}
    return {
        "transitions_a_batch": a_batch,
        "dollars_a_million_steps": prices(a_batch, PAGE_TRANSITIONS, milliseconds),
    }


def race(stack: RunningStack, given: argparse.Namespace) -> dict[str, Any]:
    """Return the median {wall_ms, cpu_ms} a step of each contender, why a peer could not be run, and our `costs`."""
    taken: dict[str, list[dict[str, float]]] = defaultdict(list)
    server, loads = Server.at(given.database_url), [os.getloadavg()[0]]
    with engine(server) as ours, peers(server, given.postgres_url) as others:
        for kind in KINDS.values():  # so that their processes have started
            ours.run(kind, 50)
            run(stack, kind, 50)
        for _ in range(given.rounds):
            for batches, kind in KINDS.items():
                taken[IN_PROCESS + batches].append(ours.run(kind, given.items)["whole"])
                taken[ON_STACK + batches].append({"wall_ms": run(stack, kind, given.items)["wall_ms"]})
            for peer in others:
                taken[peer.name].append(peer.run(given.items))
            loads.append(os.getloadavg()[0])
        costs = {name: _rounded(ours.run(kind, given.items)) for name, kind in COUNTED.items()}
    missing = {peer.name: peer.missing for peer in others if peer.missing}
    return {
        "items": given.items,
        "rounds": given.rounds,
        "load_average": {"lowest": round(min(loads), 1), "highest": round(max(loads), 1)},
        "a_step": {name: _median(rounds) for name, rounds in taken.items() if name not in missing},
        "missing": missing,
        "costs": costs,
    }


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    wanted = [name for name in ("wall_ms", "cpu_ms", "aws_ms") if name in rounds[0]]
    return {name: round(statistics.median(each[name] for each in rounds), 2) for name in wanted}


def _rounded(costs: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {part: {name: round(value, 3) for name, value in cost.items()} for part, cost in costs.items()}


def show(figures: dict[str, Any]) -> None:
    console = Console()
    if "race" in figures:
        console.print(_race(figures["race"]), _costs(figures["race"]["costs"]))
    if "dollars_a_million_steps" in figures:
        console.print(_dollars(figures))
    if "many" in figures:
        console.print(_many(figures["many"]))


def _race(race: dict[str, Any]) -> Table:
    load = race["load_average"]
    when = f"load average {load['lowest']} to {load['highest']}"
    table = Table("", title=f"a step, ms: medians of {race['rounds']} rounds of {race['items']} steps, {when}")
    for heading in ("wall", "of it AWS's stand-in", "processor"):
        table.add_column(heading, justify="right")
    for name, row in race["a_step"].items():
        table.add_row(name, *(_text(row.get(key)) for key in ("wall_ms", "aws_ms", "cpu_ms")))
    for name, reason in race["missing"].items():
        table.add_row(name, f"not run: {reason[:80]}")
    return table


def _costs(of_kinds: dict[str, Any]) -> Table:
    table = Table("statements (round trips) a step", title="what a step asks of the database and of AWS")
    for heading in (*PARTS, "whole", "AWS calls"):
        table.add_column(heading, justify="right")
    for name, costs in of_kinds.items():
        cells = [f"{costs[part]['statements']:.2f} ({costs[part]['round_trips']:.2f})" for part in (*PARTS, "whole")]
        table.add_row(name, *cells, f"{costs['whole']['aws_calls']:.2f}")
    return table


def _dollars(figures: dict[str, Any]) -> Table:
    table = Table("", title=f"list price of a million steps, {figures['transitions_a_batch']} transitions a batch")
    for batch in BATCHES:
        table.add_column(f"batches of {batch}", justify="right")
    rows = figures["dollars_a_million_steps"]
    for name in ("step_functions", "lambda", "total"):
        table.add_row(name.replace("_", " "), *(f"${rows[str(batch)][name]:.2f}" for batch in BATCHES))
    within = ["yes" if rows[str(batch)]["total"] < GOAL else "no" for batch in BATCHES]
    table.add_row(f"under ${GOAL:.0f}", *within)
    return table


def _many(figures: dict[str, Any]) -> Table:
    many = figures["many"]
    table = Table("", title=f"a large task on the local stack, batches of 100, load average {figures['load_average']}")
    table.add_column(f"{figures['items']:,} items, run", justify="right")
    table.add_column(f"{many['items']:,} items, by arithmetic", justify="right")
    table.add_column("limit", justify="right")
    at_most = max(row["parent_events"] for row in many["by_batch"].values())
    table.add_row("seconds", f"{figures['seconds']:.0f}", "", "")
    table.add_row("stack, peak MB", str(figures["stack_peak_mb"]), "", "")
    for name, memory in figures["memory_mb"].items():
        table.add_row(f"{name}, MB at first and at most", f"{memory['first']}, {memory['most']}", "", "")
    parent, child = figures["parent"], figures["child"]
    events = f"{many['by_batch']['100']['parent_events']} ({at_most:,} in batches of 1)"
    table.add_row("events of the parent", str(parent["events"]), events, f"{HISTORY_LIMIT:,}")
    waits = f"{many['child_events_at_most']:,} if it waits each second"
    table.add_row("events of a child", str(child["events"]), waits, f"{HISTORY_LIMIT:,}")
    sizes = max(parent["largest_state_bytes"], child["largest_state_bytes"])
    table.add_row("bytes of the largest state", f"{sizes:,}", f"{many['largest_page_bytes']:,}", f"{STATE_LIMIT:,}")
    return table


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
