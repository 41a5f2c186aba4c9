"""Arguments that several commands share: choices, ids, params."""

import json
import math
import re
from pathlib import Path
from typing import Any

import click

from longhaul_client.command.shell import standard_input
from longhaul_client.documents import Document

STATUSES = ("PENDING", "RUNNING", "PAUSED", "SUCCEEDED", "FAILED", "CANCELLED")
PRIORITIES = ("low", "normal", "high", "urgent")

_WEIGHT = re.compile(r"[0-9]{1,9}")

STATUS = click.Choice(STATUSES, case_sensitive=False)
STEP_STATUS = click.Choice(("PENDING", "RUNNING", "SUCCEEDED", "FAILED"), case_sensitive=False)
PRIORITY = click.Choice(PRIORITIES, case_sensitive=False)


def filled(text: str) -> str:
    """Refuse an empty option: it comes from a variable that was never set, and would count as left out."""
    if not text.strip():
        raise click.BadParameter("it is given and empty: leave it out, or fill it in")
    return text


def _ids(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Return each id once. `-` stands for the ids on standard input, one a line; only an empty input gives none."""
    if not all(map(str.strip, given)):
        raise click.BadParameter("an id is empty", context, parameter)
    read = [line.strip() for line in standard_input().splitlines()] if "-" in given else []
    return tuple(dict.fromkeys(task_id for task_id in (*given, *read) if task_id not in ("", "-")))


task_ids = click.argument("task_ids", metavar="TASK_ID...", nargs=-1, required=True, callback=_ids)
task_id = click.argument("task_id", metavar="TASK_ID")


def weights(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    """Read `TENANT=N` pairs."""
    pairs = {tenant: number for tenant, _, number in (pair.rpartition("=") for pair in given)}
    wrong = [number for tenant, number in pairs.items() if not (tenant and _WEIGHT.fullmatch(number))]
    if wrong:
        raise click.BadParameter("should be TENANT=N", context, parameter)
    return {tenant: int(number) for tenant, number in pairs.items()}


def params_of(pairs: tuple[str, ...], text: str | None) -> Document:
    """Return a task's params: JSON from `text`, @file or - (standard input), overlaid by `key=text` and `key:=json`."""
    params = _object(text) if text is not None else {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.rstrip(":"):
            raise click.UsageError(f"{pair!r} is neither key=text nor key:=json")
        params[name.removesuffix(":")] = _parsed(value, pair) if name.endswith(":") else value
    return params


def _object(text: str) -> Document:
    if text == "-":
        text = standard_input()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError) as error:
            raise click.UsageError(f"--params {text}: {error}") from error
    params = _parsed(text, "--params")
    if not isinstance(params, dict):
        raise click.UsageError("--params is not a JSON object")
    return params


def _parsed(text: str, of: str) -> Any:
    try:
        return json.loads(text, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{of}: not JSON: {error}") from error


def _number(text: str) -> float:
    """Refuse what Python reads and JSON lacks: NaN, and 1e400, which would become Infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a JSON number")
    return number
