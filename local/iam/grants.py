"""`python -m local grants`: what the template's roles may do and nothing did."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from local.iam.guard import used
from local.iam.policies import Grant, Policies
from local.iam.refusals import expression
from local.options import Options, StackError
from local.template.model import ACCOUNT, REGION, STACK_NAME, Blueprint, TemplateError
from local.template.parameters import parameters, secrets
from local.template.template import read

_SUFFIX = re.compile(r"(:secret:.+)-\w{6}$")  # Secrets Manager's, another for each stack


def report(template: Path, records: Sequence[Path]) -> str:
    """Return what `unused` finds, for people. Raises StackError without a record or a readable template."""
    if missing := [str(path) for path in records if not path.exists()]:
        raise StackError(
            f"there is no record {', '.join(missing)} of grants that were used: run `make test`, or --help"
        )
    try:
        blueprint = blueprint_of(template)
    except TemplateError as error:
        raise StackError(f"{template.name}: {error}") from error
    found = unused(blueprint, (grant for path in records for grant in used(path)))
    lines = [
        f"{owner}\n" + "\n".join(f"  {line}" for line in sorted(grants)) for owner, grants in sorted(found.items())
    ]
    count = sum(len(grants) for grants in found.values())
    every = len({(grant.role, grant.action, grant.resource) for grant in blueprint.policies.grants()})
    return "\n".join([*lines, f"{count} of {every} grants were not used by what is in {', '.join(map(str, records))}."])


def unused(blueprint: Blueprint, seen: Iterable[Grant]) -> Mapping[str, set[str]]:
    """Return the grants that are neither in `seen` nor needed by AWS's services, by function or state machine."""
    policies = blueprint.policies
    done = {_named(policies, grant) for grant in seen}
    for right in blueprint.rights:
        done |= {_named(policies, grant) for grant in policies.decide(right.role, right.need).grants}
    found: dict[str, set[str]] = defaultdict(set)
    for grant in policies.grants():
        named = _named(policies, grant)
        if named not in done:
            found[policies.roles[grant.role].owner].add(f"{named.action} on {named.resource}")
    return found


def _named(policies: Policies, grant: Grant) -> Grant:
    """Return the grant with its resource as the template names it: of several secrets in a list, one stands for all."""
    return grant._replace(resource=expression(policies, _SUFFIX.sub(r"\1-??????", grant.resource)))


def blueprint_of(template: Path) -> Blueprint:
    """Return the template as a stack that does not run would read it."""
    prefix = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{STACK_NAME}"
    return read(
        template, parameters(Options(), "http://127.0.0.1", {name: f"{prefix}/{name}-??????" for name in secrets({})})
    )
