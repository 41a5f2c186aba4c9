"""Roles and their statements, matched as IAM does it: a Deny beats an Allow, and what nothing allows is denied."""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

DECISIONS = 10_000  # remembered: names of objects and executions have no bound


class Grant(NamedTuple):
    """One action on one resource that a role's policies allow, both as the policy writes them (with wildcards)."""

    role: str
    action: str
    resource: str


class Decision(NamedTuple):
    """`denied`: a Deny matches. `grants`: those that allow it."""

    allowed: bool
    denied: bool
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Statement:
    """A statement of an identity-based policy, its resources as ARNs or patterns of ARNs."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    deny: bool = False

    def matching(self, action: str, resource: str) -> Iterator[tuple[str, str]]:
        """Yield each pair of patterns that matches."""
        actions = [pattern for pattern in self.actions if _compiled(pattern.lower()).fullmatch(action.lower())]
        if actions:
            for pattern in self.resources:
                if _compiled(pattern).fullmatch(resource):
                    yield from ((one, pattern) for one in actions)


@dataclass(frozen=True)
class Role:
    """`owner` is the logical id of the function or state machine that the role is made for. `managed` are the
    statements of AWS's own policies, which are no grants of the template."""

    name: str
    owner: str
    statements: tuple[Statement, ...]
    managed: tuple[Statement, ...] = ()

    def decide(self, action: str, resource: str) -> Decision:
        every = (*self.statements, *self.managed)
        denied = any(True for one in every if one.deny for _ in one.matching(action, resource))
        allowed = any(True for one in every if not one.deny for _ in one.matching(action, resource))
        grants = tuple(
            Grant(self.name, *patterns)
            for one in self.statements
            if not one.deny
            for patterns in one.matching(action, resource)
        )
        return Decision(allowed and not denied, denied, () if denied else grants)

    def grants(self) -> Iterator[Grant]:
        """Yield each grant of the template's own statements."""
        for statement in self.statements:
            if not statement.deny:
                for action in statement.actions:
                    yield from (Grant(self.name, action, resource) for resource in statement.resources)


@dataclass(frozen=True)
class Policies:
    """Every role of the template, by logical id.

    `names` gives the template's expression for an ARN. `machines` are the ARNs of the state machines, `connections` is
    the resource of a WebSocket API's connections (`api/stage`), empty without one.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    machines: tuple[str, ...] = ()
    connections: str = ""

    def grants(self) -> Iterator[Grant]:
        for role in self.roles.values():
            yield from role.grants()

    def first_refused(self, role: str, needs: Iterable["Need"]) -> "Need | None":
        """Return the first need that the role's policies do not meet."""
        return next((need for need in needs if not self.decide(role, need).allowed), None)

    def decide(self, role: str, need: "Need") -> Decision:
        """Decide a need: any one of its resources is enough."""
        decisions = [self.roles[role].decide(need.action, resource) for resource in need.resources]
        return next((one for one in decisions if one.allowed), decisions[0])


class Need(NamedTuple):
    """What a request needs: an action on a resource, or on any one of several."""

    action: str
    resources: tuple[str, ...]


def write(policies: Policies, path: Path) -> None:
    """Write the policies where the local AWS reads them. A reader sees all of them or none."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(policies), ensure_ascii=False, indent=1), encoding="utf-8")
    new.replace(path)


def read(path: Path) -> Policies:
    """Return what `write` wrote. No library's models: two processes would keep 8 MB for them."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    roles = {
        name: Role(role["name"], role["owner"], _statements(role["statements"]), _statements(role["managed"]))
        for name, role in stored["roles"].items()
    }
    return Policies(roles, stored["names"], tuple(stored["machines"]), stored["connections"])


def _statements(stored: Iterable[dict[str, Any]]) -> tuple[Statement, ...]:
    return tuple(Statement(tuple(one["actions"]), tuple(one["resources"]), one["deny"]) for one in stored)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
