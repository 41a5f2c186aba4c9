"""The HTTP API of alerts: what is wrong, the rules that say so, and silences. A tenant sees its own, operators all."""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from alerts import board, rules, wire
from alerts.model import OPERATOR, AlertRule
from alerts.wire import (
    EXAMPLE_ALERT,
    EXAMPLE_SILENCE,
    AlertDocument,
    AlertPage,
    AlertQuery,
    AlertRules,
    AlertWithHistory,
    AllTenants,
    DeletedSilence,
    RuleChange,
    RuleDocument,
    SilenceDocument,
    SilencePage,
    SilenceRequest,
)
from longhaul import settings
from longhaul.http import (
    IdempotencyKey,
    IfMatch,
    Response,
    also,
    caller,
    check_match,
    conditional,
    dumps,
    etag_of,
    keyed_request,
    limited,
    make_app,
    needs,
    replay_headers,
    require_scope,
    respond,
)
from longhaul.http.cursors import cursor_after, key_of
from longhaul.http.pages import Cursor, Limit
from longhaul.observability import observed

settings.require(settings.Database, settings.Cache, settings.Cursors, settings.Limits)

app = make_app()
READ: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["alerts"], "openapi_extensions": also(304)}
WRITE: dict[str, Any] = {"security": needs("tasks:write"), "tags": ["alerts"]}

AlertId = Annotated[str, Path(pattern=r"^alert_[0-9a-f]{32}$", description="An alert's id.", examples=[EXAMPLE_ALERT])]
RuleName = Annotated[AlertRule, Path(description="A rule's name.", examples=["running_long"])]
SilenceId = Annotated[
    str, Path(pattern=r"^silence_[0-9a-f]{32}$", description="A silence's id.", examples=[EXAMPLE_SILENCE])
]


@app.get("/api/v1/alerts", **READ, summary="List the alerts")
def list_alerts(query: Annotated[AlertQuery, Query()]) -> Response[AlertPage]:
    whose = _whose(query.all_tenants)
    of = ["alerts", whose, query.state, query.rule, query.severity]
    before = key_of(of, query.cursor) if query.cursor else None
    found, following = board.list_alerts(
        whose or None,
        states=query.states(),
        rules=query.rules(),
        severities=query.severities(),
        before_id=before,
        limit=query.limit,
    )
    items = [wire.alert_document(alert) for alert in found]
    return _conditional(AlertPage(items=items, next_cursor=cursor_after(of, following)))


@app.get("/api/v1/alerts/<alert_id>", **READ, summary="Read an alert with its history")
def read_alert(alert_id: AlertId, all_tenants: AllTenants = False) -> Response[AlertWithHistory]:
    return _conditional(wire.with_history(*board.read(_whose(all_tenants) or None, alert_id)))


@app.post("/api/v1/alerts/<alert_id>/acknowledge", **WRITE, summary="Acknowledge an alert: it is not repeated")
def acknowledge_alert(
    alert_id: AlertId, all_tenants: AllTenants = False, idempotency_key: IdempotencyKey = None
) -> Response[AlertDocument]:
    request = keyed_request(app, idempotency_key)
    alert = board.acknowledge(_whose(all_tenants) or None, alert_id, caller(app).user_id, request=request)
    return respond(wire.alert_document(alert), headers=replay_headers(request.replayed))


@app.get("/api/v1/alert-rules", **READ, summary="List the rules and their thresholds")
def list_alert_rules(all_tenants: AllTenants = False) -> Response[AlertRules]:
    """For operators with `all_tenants`: what holds for every tenant without thresholds of its own."""
    return _conditional(
        AlertRules(items=[wire.rule_document(found) for found in rules.list_rules(_whose(all_tenants))])
    )


@app.get("/api/v1/alert-rules/<rule>", **READ, summary="Read a rule")
def read_alert_rule(rule: RuleName, all_tenants: AllTenants = False) -> Response[RuleDocument]:
    return _conditional(wire.rule_document(rules.read(_whose(all_tenants), rule)))


@app.put("/api/v1/alert-rules/<rule>", **WRITE, summary="Set a rule's thresholds")
def put_alert_rule(
    rule: RuleName,
    given: Annotated[RuleChange, Body()],
    all_tenants: AllTenants = False,
    if_match: IfMatch = None,
) -> Response[RuleDocument]:
    found = rules.put(_whose(all_tenants), rule, given.thresholds(), _unchanged(if_match))
    return respond(wire.rule_document(found))


@app.delete(
    "/api/v1/alert-rules/<rule>", **WRITE, summary="Reset a rule's thresholds", openapi_extensions=limited("bulk")
)
def reset_alert_rule(
    rule: RuleName, all_tenants: AllTenants = False, if_match: IfMatch = None
) -> Response[RuleDocument]:
    """Those of the operator hold again, or those built in."""
    return respond(wire.rule_document(rules.reset(_whose(all_tenants), rule, _unchanged(if_match))))


@app.post("/api/v1/alert-silences", **WRITE, summary="Silence alerts until a time", status_code=201)
def create_silence(
    given: Annotated[SilenceRequest, Body()], all_tenants: AllTenants = False, idempotency_key: IdempotencyKey = None
) -> Response[SilenceDocument]:
    """Alerts go on to fire and clear, and nobody is notified until the silence ends; then of what still fires."""
    request = keyed_request(app, idempotency_key, given)
    made = board.silence(
        _whose(all_tenants),
        caller(app).user_id,
        rule=given.rule,
        subject=given.subject,
        comment=given.comment,
        ends_at=given.ends_at,
        request=request,
    )
    return respond(wire.silence_document(made), 201, replay_headers(request.replayed))


@app.get("/api/v1/alert-silences", **READ, summary="List the silences")
def list_silences(all_tenants: AllTenants = False, cursor: Cursor = None, limit: Limit = 20) -> Response[SilencePage]:
    whose = _whose(all_tenants)
    of = ["silences", whose]
    found, following = board.list_silences(whose, key_of(of, cursor) if cursor else None, limit)
    items = [wire.silence_document(one) for one in found]
    return _conditional(SilencePage(items=items, next_cursor=cursor_after(of, following)))


@app.delete("/api/v1/alert-silences/<silence_id>", **WRITE, summary="End a silence", openapi_extensions=limited("bulk"))
def delete_silence(silence_id: SilenceId, all_tenants: AllTenants = False) -> Response[DeletedSilence]:
    board.delete_silence(_whose(all_tenants), silence_id)
    return respond(DeletedSilence(silence_id=silence_id))


def _whose(all_tenants: bool) -> str:
    """The caller's tenant, or OPERATOR for all. Raises Forbidden."""
    who = caller(app)
    if not all_tenants:
        return who.tenant_id
    require_scope(who, "ops")
    return OPERATOR


def _conditional[V: BaseModel](document: V) -> Response[V]:
    text = dumps(document)
    return conditional(app, lambda: text, etag=etag_of(text))


def _unchanged(if_match: str | None) -> Callable[[rules.RuleOf], None]:
    """Raises PreconditionFailed, as what it gives does, when the caller has seen another version."""

    def check(found: rules.RuleOf) -> None:
        if if_match is not None:
            check_match(if_match, etag_of(dumps(wire.rule_document(found))))

    return check


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
