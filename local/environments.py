"""The environments of `make deploy`: each has its own section, stack and parameters in samconfig.toml.

    python -m local.environments staging          # the arguments for `sam deploy`
    python -m local.environments staging --stack  # the name of its stack

A first deployment is guided: SAM asks for the parameters and keeps them in `[staging.deploy.parameters]`. Arguments
that could deploy one environment over another are refused.
"""

import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

SAMCONFIG = Path("samconfig.toml")
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
ALWAYS = ("--capabilities", "CAPABILITY_IAM")

type Sections = Mapping[str, Mapping[str, Any]]


def deployed(config: Mapping[str, Any]) -> Sections:
    """Return the parameters of each environment that was deployed, by name."""
    found = {name: section.get("deploy", {}) for name, section in config.items() if isinstance(section, dict)}
    return {
        name: deploy["parameters"]
        for name, deploy in found.items()
        if "parameter_overrides" in deploy.get("parameters", {})
    }


def stack_of(environment: str, sections: Sections, stack: str = "") -> str:
    """Return the stack of an environment, new or known. Raises click.ClickException when it is another's."""
    if not NAME.fullmatch(environment) or environment == "default":
        raise click.ClickException("name the environment, such as: make deploy ENV=staging")
    if "default" in sections:
        raise click.ClickException(
            "samconfig.toml has a deployment without an environment: rename its sections [default.deploy.parameters] "
            "and [default.global.parameters] to what it is, such as [production.deploy.parameters]"
        )
    configured = sections[environment]["stack_name"] if environment in sections else ""
    if stack and configured and stack != configured:
        raise click.ClickException(
            f"the stack of {environment} is {configured}, not {stack}: leave STACK out, or name another ENV"
        )
    chosen: str = configured or stack or f"longhaul-{environment}"
    for other, parameters in sections.items():
        if other != environment and parameters.get("stack_name") == chosen:
            raise click.ClickException(f"the stack {chosen} is {other}'s: give {environment} another, with STACK=name")
    return chosen


def arguments(environment: str, sections: Sections, stack: str = "", *, unattended: bool = False) -> list[str]:
    """Return the arguments for `sam deploy`: guided for a new environment, without questions when `unattended`."""
    given = ["--config-env", environment, "--stack-name", stack_of(environment, sections, stack), *ALWAYS]
    if environment in sections:
        confirm = "--no-confirm-changeset" if unattended else "--confirm-changeset"
        return [*given, "--resolve-s3", "--no-fail-on-empty-changeset", confirm]
    if unattended:
        raise click.ClickException(
            f"samconfig.toml has no [{environment}.deploy.parameters], and CI=true allows no questions: "
            f"deploy it once by hand (make deploy ENV={environment}) and commit the section"
        )
    return [*given, "--guided"]


@click.command()
@click.argument("environment", default="")
@click.option("--stack-name", default="", help="The stack of a new environment.")
@click.option("--unattended", is_flag=True, help="Ask no questions.")
@click.option("--stack", "only_stack", is_flag=True, help="Print the stack's name alone.")
def main(environment: str, stack_name: str, unattended: bool, only_stack: bool) -> None:
    """Print the arguments for `sam deploy`."""
    sections = deployed(tomllib.loads(SAMCONFIG.read_text(encoding="utf-8")))
    if only_stack:
        click.echo(stack_of(environment, sections, stack_name))
    else:
        click.echo(shlex.join(arguments(environment, sections, stack_name, unattended=unattended)))


if __name__ == "__main__":
    main(prog_name="make deploy")
