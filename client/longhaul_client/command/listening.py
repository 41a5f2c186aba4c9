"""`listen`: notices as they come, printed and posted to an address of one's own."""

from contextlib import aclosing

import click

from longhaul_client import following
from longhaul_client.command.arguments import filled
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import Outcome, print_error, print_line
from longhaul_client.documents import Document, local_time
from longhaul_client.forwarding import HINTS, Forwarder, new_secret
from longhaul_client.subscriptions import Topic

READ_SECONDS = 2.0  # between two looks where there is no socket


@click.command()
@click.option("--task", "task_id", type=filled, metavar="TASK_ID", help="Only this task, until it has ended.")
@click.option("--kind", type=filled, metavar="KIND", help="Only tasks of this kind.")
@click.option("--forward", type=filled, metavar="URL", help="Post what webhooks are told of to this address, signed.")
@click.option(
    "--secret",
    type=filled,
    metavar="whsec_...",
    envvar="LONGHAUL_WEBHOOK_SECRET",
    help="What signs it ($LONGHAUL_WEBHOOK_SECRET); else a new one, which is printed.",
)
@api_command
async def listen(
    session: Session, task_id: str | None, kind: str | None, forward: str | None, secret: str | None
) -> Outcome:
    """Print notices as they come, of all tasks or of some: a line each (--json: a document). Ctrl-C ends it.

    With --forward it posts them, too, as `longhaul webhooks` would, to an address that only this machine reaches.

    \b
    longhaul listen --kind call_campaign
    longhaul listen --task TASK_ID --json | jq .data.progress
    longhaul listen --forward http://localhost:8000/hook
    """
    if task_id is not None and kind is not None:
        raise click.UsageError("a task, or a kind: not both")
    forwarder = None
    if forward is not None:
        chosen = secret or new_secret()
        forwarder = Forwarder(session.api, forward, chosen)
        print_error(f"forwarding to {forward}, signed with {chosen}")
    status = ""
    async with aclosing(following.notices(session.api, Topic(task_id, kind), interval=READ_SECONDS)) as notices:
        async for notice in notices:
            status = notice["data"]["status"]
            _show(session, notice)
            if forwarder is not None and notice["type"] not in HINTS:
                print_error(f"{notice['type']} {notice['id']} -> {await forwarder.post(notice)}")
    return Outcome.OK if status == "SUCCEEDED" else Outcome.FAILED


def _show(session: Session, notice: Document) -> None:
    if session.as_json:
        session.put(notice, indent=None)
        return
    data = notice["data"]
    words = [
        local_time(notice["time"]).strftime("%H:%M:%S"),
        f"{notice['type'].removeprefix('longhaul.task.'):9}",
        f"{data['progress']:3} %",
        data["status"],
        data["task_id"],
        data["title"],
        data.get("current_step") or data["detail"].get("reason") or data["detail"].get("error") or "",
    ]
    print_line("  ".join(map(str, words)).rstrip())
