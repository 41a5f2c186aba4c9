"""What a shell sees of a command: its exit code, its standard streams in any encoding or state, its completion."""

import codecs
import io
import os
import sys
from collections.abc import Iterable
from enum import IntEnum

import click
from click.shell_completion import get_completion_class

from longhaul_client.documents import Document, printable
from longhaul_client.errors import TaskError, TaskNotFoundError, TaskTimeoutError, ValidationError


class Outcome(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    FORBIDDEN = 6
    INTERRUPTED = 130


HELP = """\b
Exit codes:
  0    done; each task that was watched SUCCEEDED
  1    a task FAILED or was CANCELLED, or something else went wrong
  2    the request is not valid
  3    you have no such task
  4    the task's status does not allow it
  5    no answer, not in time, or the server is busy
  6    the token is missing, has expired or lacks a scope
  130  interrupted; the tasks continue"""

_BY_STATUS = {
    401: Outcome.FORBIDDEN,
    403: Outcome.FORBIDDEN,
    409: Outcome.CONFLICT,
    412: Outcome.CONFLICT,
}


def outcome_of(error: TaskError) -> Outcome:
    """Return the exit code for an error: UNAVAILABLE when a later try may succeed (5xx, 429, no response)."""
    if isinstance(error, ValidationError):
        return Outcome.INVALID
    if isinstance(error, TaskNotFoundError):
        return Outcome.NOT_FOUND
    if isinstance(error, TaskTimeoutError) or error.status is None or error.status == 429 or error.status >= 500:
        return Outcome.UNAVAILABLE
    return _BY_STATUS.get(error.status, Outcome.FAILED)


def worst(ends: Iterable[Document | TaskError]) -> Outcome:
    """Return the worst outcome of tasks that were followed to their end, or could not be."""
    return max((_outcome(end) for end in ends), default=Outcome.OK)


def _outcome(end: Document | TaskError) -> Outcome:
    if isinstance(end, TaskError):
        return outcome_of(end)
    return Outcome.OK if end["status"] == "SUCCEEDED" else Outcome.FAILED


def prepare() -> None:
    """Make the standard streams usable: a character that the encoding lacks becomes its escape; a closed stream is
    replaced by /dev/null."""
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY))
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def standard_input() -> str:
    """Read all of standard input, which is UTF-8 in every locale, as ids and JSON are."""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeError as error:
        raise click.UsageError(f"standard input is not UTF-8: {error}") from error


def speaks_unicode() -> bool:
    """Whether standard output can show every character."""
    return codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf")


def print_line(text: str) -> None:
    """Print one line on standard output."""
    click.echo(printable(text))


def print_error(about: object) -> None:
    """Print one line on standard error."""
    click.echo(f"longhaul: {printable(' '.join(str(about).split()))}", err=True)


def discard_output() -> None:
    """Drop what is still to be written on standard output: Python would try again at exit and report the error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


SHELLS = ("bash", "zsh", "fish")
PROGRAM = "longhaul"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands, options and choices.

    \b
    eval "$(longhaul completion bash)"          # in ~/.bashrc; zsh the same in ~/.zshrc
    longhaul completion fish | source           # in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows the three
    click.echo(found(context.find_root().command, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())
