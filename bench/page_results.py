"""The page query's figures as tables and as a plot."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

LINES = {  # label, colour and dash of each
    "naive": ("naive: five queries for each job", "#b23a48", "-"),
    "advice": ("batched: OFFSET + COUNT OVER + 2 IN", "#e09f3e", "-"),
    "ours": ("ours: the store's call", "#2a6f97", "-"),
    "floor": ("floor: 20 rows by primary key", "#6c757d", "--"),
    "handler": ("the handler's own time, a miss", "#5a9367", ":"),
}


def show(cells: list[dict[str, Any]], details: dict[str, Any], console: Console) -> None:
    """Print the figures as tables."""
    table = Table(title=f"A page of 20 of {details['rows']:,} calls, p50 ms (load average {details['load_average']})")
    for heading in ("jobs", "page", *LINES, "ours / floor"):
        table.add_column(heading, justify="left" if heading == "page" else "right")
    for cell in cells:
        times = [f"{cell[f'{name}_ms']:.2f}" for name in LINES]
        table.add_row(f"{cell['task_size']:,}", cell["page"], *times, f"{cell['ours_ms'] / cell['floor_ms']:.2f}")
    console.print(table)
    table = Table(title="The handler: p50 ms, statements, bytes of the response, AWS calls")
    for heading in ("", "own", "SQL", "AWS", "n", "bytes", "calls"):
        table.add_column(heading, no_wrap=True)
    for name, row in details.items():
        if isinstance(row, dict) and "own_ms" in row:
            calls = "\n".join(f"{count:g} {action}" for action, count in row["aws_calls"].items())
            times = [f"{row[key]:.2f}" for key in ("own_ms", "sql_ms", "aws_ms")]
            table.add_row(name, *times, f"{row['statements']:g}", f"{row['answer_bytes']:,}", calls)
    console.print(table)
    hits = details["hit"]["own_parts_ms"]
    misses = details["miss"]["own_parts_ms"]
    table = Table("part of the handler's own time", "miss ms", "hit ms")
    for part in misses | hits:
        table.add_row(part, *(f"{parts[part]:.2f}" if part in parts else "" for parts in (misses, hits)))
    console.print(table)
    start = details["cold_start"]
    spent = f"{start['import_ms']:.0f} ms, {start['import_processor_ms']:.0f} of the processor"
    console.print(
        f"cold start: importing query_page takes {spent}; imported needlessly: {start['unwanted'] or 'nothing'}"
    )


def draw(cells: list[dict[str, Any]], path: Path) -> None:
    """Plot milliseconds over the task's size: the line is the middle page, the band all three pages."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "longhaul"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    sizes = sorted({cell["task_size"] for cell in cells})
    for name, (label, colour, dash) in LINES.items():
        of_size = [{cell["page"]: cell[f"{name}_ms"] for cell in cells if cell["task_size"] == size} for size in sizes]
        axes.plot(sizes, [pages["middle"] for pages in of_size], dash, color=colour, label=label, marker=".")
        bounds = [min(pages.values()) for pages in of_size], [max(pages.values()) for pages in of_size]
        axes.fill_between(sizes, *bounds, color=colour, alpha=0.15, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="jobs of the task", ylabel="ms, p50", title="A page of 20 calls")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
