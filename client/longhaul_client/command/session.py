"""What every command has: the API, somewhere to write, and one way to go wrong."""

import asyncio
import functools
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate

import click
from rich.console import Console

from longhaul_client.api import Api
from longhaul_client.command.outcomes import Outcome, outcome_of
from longhaul_client.errors import TaskError
from longhaul_client.settings import Settings
from longhaul_client.tasks import Tasks

PIPE_WIDTH = 240  # columns of a table that nobody looks at: nothing in it is cut off

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
        """As JSON; on one line without an indent."""
        click.echo(json.dumps(document, ensure_ascii=False, indent=indent))


def complain(about: object) -> None:
    """One line on standard error."""
    click.echo(f"longhaul: {' '.join(str(about).split())}", err=True)


def connection(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where and who."""
    url = click.option("--url", metavar="URL", help="Where the API is ($LONGHAUL_URL; http://127.0.0.1:3000).")
    token = click.option("--token", help="Who asks ($LONGHAUL_TOKEN).")
    return url(token(function))


def asking[**P](function: Command[P]) -> Callable[..., None]:
    """A command that asks the API: it gets a session, and what it returns is how it ended."""

    @connection
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.pass_context
    @functools.wraps(function)
    def command(context: click.Context, /, *args: Any, url: str, token: str, as_json: bool, **given: Any) -> None:
        root = context.find_root().params
        try:
            settings = Settings.of(url or root.get("url"), token or root.get("token"))
            session = Session(Api(settings), as_json, _console())
            outcome = asyncio.run(function(session, *args, **given)) or Outcome.OK
        except TaskError as error:
            complain(error)
            outcome = outcome_of(error)
        except KeyboardInterrupt:
            complain("interrupted; tasks go on")
            outcome = Outcome.INTERRUPTED
        context.exit(outcome)

    return command


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
