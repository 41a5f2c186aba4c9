"""`make deploy`, with commands that only write down what they are given: environments cannot be confused."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAM = """#!/bin/sh
echo "$@" >> calls
case "$*" in
*--guided*) cat guided >> samconfig.toml ;;
*remote*) cat answer ;;
esac
"""
SECTION = """
[{name}.deploy.parameters]
stack_name = "{stack}"
parameter_overrides = "JwtIssuer=\\"https://{name}.example.com\\""
"""
DEPLOYED = "--capabilities CAPABILITY_IAM --resolve-s3 --no-fail-on-empty-changeset"


class Checkout:
    """The Makefile and samconfig.toml in a folder of their own, with what they need beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "samconfig.toml"):
            shutil.copy(ROOT / name, folder)
        for name in (".venv", "local", "layers", "client", "functions"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "sam").write_text(SAM)
        (folder / "sam").chmod(0o755)
        (folder / "publish").write_text('#!/bin/sh\necho publish "$@" >> calls\n')
        (folder / "publish").chmod(0o755)
        (folder / "answer").write_text('{"StatusCode": 200}')

    def knows(self, name: str, stack: str) -> None:
        with (self.folder / "samconfig.toml").open("a") as config:
            config.write(SECTION.format(name=name, stack=stack))

    def guided(self, name: str, stack: str) -> None:
        """Write the section that SAM would write after its questions."""
        (self.folder / "guided").write_text(SECTION.format(name=name, stack=stack))

    def deploy(self, *variables: str) -> tuple[int, str]:
        """Return the exit code and standard error."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        # `build` and `.venv/.ready` count as done.
        command = [
            "make",
            "-o",
            "build",
            "-o",
            ".venv/.ready",
            f"SAM={self.folder}/sam",
            f"PUBLISH={self.folder}/publish",
        ]
        command += ["deploy", *variables]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    def called(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_new_environment_is_asked_for_its_parameters_also_beside_another(checkout: Checkout) -> None:
    # GIVEN production, which was deployed, and staging, which was not
    checkout.knows("production", "longhaul")
    checkout.guided("staging", "longhaul-blue")

    # WHEN staging is deployed, THEN production's parameters are not its own, and its stack is the one that was typed
    assert checkout.deploy("ENV=staging")[0] == 0
    assert checkout.called() == [
        "deploy --config-env staging --stack-name longhaul-staging --capabilities CAPABILITY_IAM --guided",
        "remote invoke Migrate --config-env staging --stack-name longhaul-blue --event {} --output json",
        "publish longhaul-blue --environment staging",
    ]

    # AND the next deployment goes by its own section
    assert checkout.deploy("ENV=staging")[0] == 0
    assert checkout.called()[3] == (
        f"deploy --config-env staging --stack-name longhaul-blue {DEPLOYED} --confirm-changeset"
    )


@pytest.mark.parametrize("unattended", ["CI=true", "CI=1"])
def test_without_anybody_watching_nothing_is_asked(checkout: Checkout, unattended: str) -> None:
    checkout.knows("production", "longhaul")
    assert checkout.deploy("ENV=production", unattended)[0] == 0
    assert checkout.called()[0] == (
        f"deploy --config-env production --stack-name longhaul {DEPLOYED} --no-confirm-changeset"
    )


@pytest.mark.parametrize("attended", ["CI=", "CI=false", "CI=0"])
def test_otherwise_the_changes_are_shown_first(checkout: Checkout, attended: str) -> None:
    checkout.knows("production", "longhaul")
    assert checkout.deploy("ENV=production", attended)[0] == 0
    assert checkout.called()[0].endswith(" --confirm-changeset")


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ([], "name the environment, such as: make deploy ENV=staging"),
        (["ENV=default"], "name the environment"),
        (["ENV=; rm -rf x"], "name the environment"),
        (["ENV=production", "STACK=longhaul-staging"], "the stack of production is longhaul, not longhaul-staging"),
        (["ENV=staging", "STACK=longhaul"], "the stack longhaul is production's"),
        (["ENV=staging", "CI=true"], "no [staging.deploy.parameters], and CI=true allows no questions"),
    ],
)
def test_what_could_deploy_one_over_the_other_is_refused(checkout: Checkout, variables: list[str], why: str) -> None:
    checkout.knows("production", "longhaul")
    code, error = checkout.deploy(*variables)
    assert code != 0
    assert why in error
    assert checkout.called() == []


def test_a_deployment_from_before_there_were_environments_has_to_be_named(checkout: Checkout) -> None:
    checkout.knows("default", "longhaul")
    code, error = checkout.deploy("ENV=production")
    assert code != 0
    assert "rename its sections [default.deploy.parameters]" in error
    assert checkout.called() == []


def test_a_migration_that_fails_fails_the_deployment(checkout: Checkout) -> None:
    checkout.knows("production", "longhaul")
    (checkout.folder / "answer").write_text('{"FunctionError": "Unhandled"}')
    code, error = checkout.deploy("ENV=production")
    assert code != 0
    assert "the migration failed" in error
