"""What is the same in several commands: choices, ids, params."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from longhaul_client.errors import Document

STATUSES = ("PENDING", "RUNNING", "PAUSED", "SUCCEEDED", "FAILED", "CANCELLED")
PRIORITIES = ("low", "normal", "high", "urgent")

STATUS = click.Choice(STATUSES, case_sensitive=False)
PRIORITY = click.Choice(PRIORITIES, case_sensitive=False)


def _ids(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """`-` stands for those on standard input, one a line; each id once."""
    read = [line.strip() for line in sys.stdin] if "-" in given else []
    ids = tuple(dict.fromkeys(task_id for task_id in (*given, *read) if task_id not in ("", "-")))
    if not ids and parameter.required:
        raise click.BadParameter("standard input has no id", context, parameter)
    return ids


task_ids = click.argument("task_ids", metavar="TASK_ID...", nargs=-1, required=True, callback=_ids)
task_id = click.argument("task_id", metavar="TASK_ID")


def weights(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    """`TENANT=N` each."""
    pairs = {tenant: number for tenant, _, number in (pair.rpartition("=") for pair in given)}
    wrong = [number for tenant, number in pairs.items() if not (tenant and number.isascii() and number.isdecimal())]
    if wrong:
        raise click.BadParameter("should be TENANT=N", context, parameter)
    return {tenant: int(number) for tenant, number in pairs.items()}


def params_of(pairs: tuple[str, ...], text: str | None) -> Document:
    """The params of a task: JSON from `text`, @file or - (standard input), then `key=text` and `key:=json` over it."""
    params = _object(text) if text is not None else {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.rstrip(":"):
            raise click.UsageError(f"{pair!r} is neither key=text nor key:=json")
        params[name.removesuffix(":")] = _parsed(value, pair) if name.endswith(":") else value
    return params


def _object(text: str) -> Document:
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise click.UsageError(f"--params {text}: {error}") from error
    params = _parsed(text, "--params")
    if not isinstance(params, dict):
        raise click.UsageError("--params is no JSON object")
    return params


def _parsed(text: str, of: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{of}: not JSON: {error}") from error
