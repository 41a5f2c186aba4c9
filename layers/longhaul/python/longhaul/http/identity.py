"""Who calls: the identity that the gateway's JWT authorizer checked and passed on.

A token's issuer is trusted, its claims are not taken as they are: an id that could be mistaken for another is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from longhaul import settings
from longhaul.http.errors import Forbidden, Unauthenticated
from longhaul.validation import MAX_SUBJECT_LENGTH, MAX_TENANT_LENGTH, claimed

BEARER = "bearer"  # the name of the OpenAPI security scheme
SCOPE_CLAIMS = ("scope", "scp")  # RFC 8693 has the first; Okta and Microsoft Entra write the second


_CALLER = "caller"  # its key in the resolver's context, which lasts for one request


@dataclass(frozen=True)
class Caller:
    """The tenant every query filters by, the user, and what the token allows."""

    tenant_id: str
    user_id: str
    scopes: frozenset[str]


def caller(app: APIGatewayHttpResolver) -> Caller:
    """The present request's caller. Unauthenticated when the token's tenant or subject is missing or is no id."""
    known: Caller | None = app.context.get(_CALLER)
    if known is None:
        claims: Mapping[str, Any] = app.current_event.request_context.authorizer.jwt_claim
        ids = _id(claims, "tenant_id", MAX_TENANT_LENGTH), _id(claims, "sub", MAX_SUBJECT_LENGTH)
        known = app.context[_CALLER] = Caller(*ids, _scopes(claims))
    return known


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


def _id(claims: Mapping[str, Any], name: str, longest: int) -> str:
    text = str(claims.get(name) or "")
    # A claim that is no text arrives as its JSON: all users of an issuer that writes null would be one tenant.
    if not claimed(text, longest) or text == "null" or text.startswith(("[", "{")):
        raise Unauthenticated(
            f"The token's claim {name} should be a text of 1 to {longest} characters, without control characters and "
            "whitespace around it, not null, a list or an object. Ask the token's issuer for another."
        )
    return text


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of this API, without the prefix that the deployment's issuer puts before them.

    A claim is one text; API Gateway writes a list claim as `[a b]`.
    """
    texts = (str(claims.get(name) or "").strip("[]").replace(",", " ") for name in SCOPE_CLAIMS)
    prefix = settings.of(settings.Limits).scope_prefix
    given = {scope for text in texts for scope in text.split()}
    return frozenset(scope.removeprefix(prefix) for scope in given if scope.startswith(prefix))
