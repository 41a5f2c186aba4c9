"""The command `longhaul`."""

import click

from longhaul_client.command import finding, steering, submission
from longhaul_client.command.completion import PROGRAM, completion
from longhaul_client.command.outcomes import HELP
from longhaul_client.command.session import connection


@click.group(
    name=PROGRAM,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Submit tasks to Longhaul, follow and steer them.

    \b
    longhaul submit hospital_province_refresh province=海南省 --watch
    longhaul list --status RUNNING
    longhaul cancel TASK_ID
    """,
    epilog=HELP,
)
@connection
def longhaul(url: str | None, token: str | None) -> None:
    """Commands read the options where they ask (see `session.asking`)."""


for command in (
    submission.submit,
    submission.watch_tasks,
    finding.list_tasks,
    finding.show,
    steering.cancel,
    steering.pause,
    steering.resume,
    steering.retry,
    steering.priority,
    finding.queue,
    steering.purge,
    finding.hospitals,
    completion,
):
    longhaul.add_command(command)


def main() -> None:
    """What the script `longhaul` runs."""
    longhaul(prog_name=PROGRAM)
