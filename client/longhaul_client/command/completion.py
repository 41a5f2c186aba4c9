"""`completion`: what makes a shell complete this command."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "longhaul"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and choices.

    \b
    eval "$(longhaul completion bash)"          # in ~/.bashrc; zsh the same in ~/.zshrc
    longhaul completion fish | source           # in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows the three
    click.echo(found(context.find_root().command, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())
