"""`recipients`: who is told by e-mail when tasks end."""

from collections.abc import Sequence

import click

from longhaul_client.channels import Recipients
from longhaul_client.command import tables
from longhaul_client.command.arguments import filled
from longhaul_client.command.session import Session, api_command
from longhaul_client.command.shell import print_error, print_line

LANGUAGES = ("en", "zh")


@click.group(
    help="""Have people told by e-mail when tasks end.

    \b
    longhaul recipients add ada@example.com --kind call_campaign
    longhaul recipients list
    """
)
def recipients() -> None:
    """Each command reads --url and --token (see `session.api_command`)."""


@recipients.command(name="list")
@api_command
async def list_recipients(session: Session) -> None:
    """List the recipients. Only one that is confirmed is told anything.

    \b
    longhaul recipients list
    """
    items = await Recipients(session.api).all()
    if session.as_json:
        session.put(items)
    elif items:
        tables.rows(session.console, items, tables.RECIPIENT)
    else:
        print_error("no recipients")


@recipients.command()
@click.argument("address", type=filled)
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of its mails.")
@click.option("--kind", "kinds", type=filled, metavar="KIND", multiple=True, help="Only of this kind; may repeat.")
@api_command
async def add(session: Session, address: str, language: str, kinds: Sequence[str]) -> None:
    """Add a recipient, who is sent a link with which to confirm. Until then nothing else is sent.

    \b
    longhaul recipients add ada@example.com --language zh
    """
    chosen = {"kinds": list(kinds)} if kinds else {}
    recipient = await Recipients(session.api).add(address=address, language=language, **chosen)
    if session.as_json:
        session.put(recipient)
    else:
        print_line(f"{recipient['recipient_id']} {recipient['status']}")


@recipients.command()
@click.argument("recipient_id", metavar="RECIPIENT_ID")
@api_command
async def remove(session: Session, recipient_id: str) -> None:
    """Remove a recipient.

    \b
    longhaul recipients remove RECIPIENT_ID
    """
    await Recipients(session.api).remove(recipient_id)
    if session.as_json:
        session.put({"recipient_id": recipient_id})
    else:
        print_line(f"{recipient_id} removed")
