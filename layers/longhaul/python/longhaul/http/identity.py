"""Who calls: the identity that the gateway's JWT authorizer checked and passed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from longhaul.http.errors import Forbidden, Unauthenticated

BEARER = "bearer"  # the name of the OpenAPI security scheme


@dataclass(frozen=True, slots=True)
class Caller:
    """The tenant every query filters by, the user, and what the token allows."""

    tenant_id: str
    user_id: str
    scopes: frozenset[str]


def caller(app: APIGatewayHttpResolver) -> Caller:
    """The present request's caller. Unauthenticated when the authorizer passed no tenant or no subject."""
    claims: Mapping[str, Any] = app.current_event.request_context.authorizer.jwt_claim
    tenant_id, user_id = claims.get("tenant_id"), claims.get("sub")
    if not tenant_id or not user_id:
        raise Unauthenticated
    return Caller(str(tenant_id), str(user_id), _scopes(claims.get("scope")))


def require_scope(who: Caller, scope: str) -> None:
    """Forbidden unless the token carries `scope`."""
    if scope not in who.scopes:
        raise Forbidden(f"The token lacks the scope {scope}.")


def needs(*scopes: str) -> list[dict[str, list[str]]]:
    """A route's `security`: in the OpenAPI document, and checked before anything else of the request is read."""
    return [{BEARER: list(scopes)}]


def check_security(app: APIGatewayHttpResolver, security: list[dict[str, list[str]]] | None) -> None:
    """Hold the caller against a route's `needs(...)`; a route without one is public or asks by itself."""
    for requirement in security or ():
        who = caller(app)
        for scope in requirement.get(BEARER, ()):
            require_scope(who, scope)


def _scopes(claim: object) -> frozenset[str]:
    """A claim is one text; API Gateway writes a list claim as `[a b]`."""
    return frozenset(str(claim or "").strip("[]").replace(",", " ").split())
