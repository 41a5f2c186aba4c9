"""The command `longhaul`."""

import sys

import click

from longhaul_client.command import (
    alerts,
    finding,
    listening,
    monitoring,
    recipients,
    steering,
    submission,
    webhooks,
)
from longhaul_client.command.session import connection
from longhaul_client.command.shell import HELP, PROGRAM, Outcome, completion, discard_output, prepare, print_error


@click.group(
    name=PROGRAM,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Submit tasks to Longhaul, follow and steer them.

    \b
    longhaul submit hospital_province_refresh province=460000 --watch
    longhaul list --status RUNNING
    longhaul cancel TASK_ID
    """,
    epilog=HELP,
)
@connection
def longhaul(url: str | None, token: str | None) -> None:
    """Each command reads these options too (see `session.api_command`)."""


for command in (
    submission.submit,
    submission.watch_tasks,
    finding.list_tasks,
    finding.show,
    finding.results,
    steering.cancel,
    steering.pause,
    steering.resume,
    steering.retry,
    steering.priority,
    finding.queue,
    steering.purge,
    finding.hospitals,
    listening.listen,
    monitoring.monitor,
    webhooks.webhooks,
    recipients.recipients,
    alerts.alerts,
    alerts.dead_letters,
    completion,
):
    longhaul.add_command(command)


def main() -> None:
    """Run the script `longhaul`."""
    prepare()
    try:
        longhaul(prog_name=PROGRAM)
    except OSError as error:  # click itself handles a reader that has gone
        discard_output()
        print_error(f"cannot write: {error.strerror or error}")
        sys.exit(Outcome.FAILED)
