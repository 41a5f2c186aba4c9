"""What every command has: the API, an output, and one way to report errors."""

import asyncio
import errno
import functools
import math
import os
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, NoReturn

import click
from rich.console import Console

from longhaul_client.api import Api
from longhaul_client.command.arguments import filled
from longhaul_client.command.shell import Outcome, outcome_of, print_error, speaks_unicode
from longhaul_client.connections import Settings
from longhaul_client.documents import json_text
from longhaul_client.errors import TaskError
from longhaul_client.resources import Tasks

PIPE_WIDTH = 240  # columns of a table that goes to a file or pipe: wide, so that no cell is folded

type Command[**P] = Callable[Concatenate["Session", P], Coroutine[Any, Any, Outcome | None]]


@dataclass(frozen=True)
class Session:
    """One run of a command."""

    api: Api
    as_json: bool
    console: Console

    @property
    def tasks(self) -> Tasks:
        return Tasks(self.api)

    def put(self, document: Any, *, indent: int | None = 2) -> None:
        """Print the document as JSON; on one line when `indent` is None."""
        click.echo(json_text(document, indent=indent, ascii_only=not speaks_unicode()))


class Notices:
    """Prints on standard error why a command waits: the first line at once, then at most a line a second, because many
    requests may fail together."""

    def __init__(self) -> None:
        self._last = -math.inf

    def __call__(self, text: str) -> None:
        if time.monotonic() - self._last >= 1.0:
            self._last = time.monotonic()
            print_error(text)


def connection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --url and --token."""
    url = click.option(
        "--url", type=filled, metavar="URL", help="The API's address ($LONGHAUL_URL; http://127.0.0.1:3000)."
    )
    token = click.option("--token", type=filled, metavar="TEXT", help="The caller's token ($LONGHAUL_TOKEN).")
    return url(token(function))


def api_command[**P](function: Command[P]) -> Callable[..., None]:
    """Make a command that calls the API: `function` gets a session, and returns the outcome (None: OK)."""

    @connection
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.pass_context
    @functools.wraps(function)
    def command(context: click.Context, /, *args: Any, url: str, token: str, as_json: bool, **given: Any) -> None:
        root = context.find_root().params
        try:
            settings = Settings.of(url or root.get("url"), token or root.get("token"))
            session = Session(Api(settings, Notices()), as_json, _console())
            outcome = asyncio.run(function(session, *args, **given)) or Outcome.OK
        except TaskError as error:
            print_error(error)
            outcome = outcome_of(error)
        except KeyboardInterrupt:
            print_error("interrupted; the tasks continue")
            outcome = Outcome.INTERRUPTED
        context.exit(outcome)

    return command


class _Pipe(Console):
    """Raises an OSError when the reader has gone: rich itself would exit at once, in the middle of a request."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _console() -> Console:
    return _Pipe(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
