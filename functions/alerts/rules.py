"""The rules of a tenant, or of the operator: read, given other thresholds, and reset."""

from collections.abc import Callable
from typing import NamedTuple

from alerts import store
from alerts.findings import Limits
from alerts.model import OPERATOR, RULES, AlertRule, Thresholds
from longhaul import database
from longhaul.database import Session
from longhaul.errors import NotFound


class RuleOf(NamedTuple):
    """A rule with the thresholds that hold, and whose they are: own, the operator's, or built in."""

    rule: AlertRule
    thresholds: Thresholds
    origin: str


def list_rules(tenant_id: str) -> list[RuleOf]:
    """Those that there are for a tenant, or all for the operator."""
    with database.connection() as session:
        limits = Limits(store.list_rules_of(session, tenant_id))
    return [_rule_of(limits, tenant_id, rule) for rule in AlertRule if _is_of(tenant_id, rule)]


def read(tenant_id: str, rule: AlertRule) -> RuleOf:
    """Here and below: raises NotFound for a rule that is only the operator's."""
    _check(tenant_id, rule)
    with database.connection() as session:
        return _rule_of(Limits(store.list_rules_of(session, tenant_id)), tenant_id, rule)


def put(tenant_id: str, rule: AlertRule, given: Thresholds, check: Callable[[RuleOf], None]) -> RuleOf:
    """`check` sees the rule as it is; what it raises is raised."""
    return _change(tenant_id, rule, check, lambda tx: store.put_rule(tx, tenant_id, rule, given))


def reset(tenant_id: str, rule: AlertRule, check: Callable[[RuleOf], None]) -> RuleOf:
    return _change(tenant_id, rule, check, lambda tx: store.delete_rule(tx, tenant_id, rule))


def _change(
    tenant_id: str, rule: AlertRule, check: Callable[[RuleOf], None], change: Callable[[Session], None]
) -> RuleOf:
    _check(tenant_id, rule)

    def write(tx: Session) -> RuleOf:
        check(_rule_of(Limits(store.lock_rules(tx, tenant_id)), tenant_id, rule))
        change(tx)
        return _rule_of(Limits(store.lock_rules(tx, tenant_id)), tenant_id, rule)

    return database.run_transaction(write)


def _rule_of(limits: Limits, tenant_id: str, rule: AlertRule) -> RuleOf:
    origin = "built_in"
    for whose, name in ((tenant_id, "own"), (OPERATOR, "operator")):
        if (whose, rule) in limits.own:
            origin = name
            break
    return RuleOf(rule, limits.of(tenant_id, rule), origin)


def _check(tenant_id: str, rule: AlertRule) -> None:
    if not _is_of(tenant_id, rule):
        raise NotFound(f"there is no rule {rule} of a tenant")


def _is_of(tenant_id: str, rule: AlertRule) -> bool:
    return tenant_id == OPERATOR or not RULES[rule].of_operator
