"""The JWT authorizer of the HTTP API."""

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from local.model import Authorizer, Route
from local.payloads import Identity
from local.problems import Problem


class JwtAuthorizer:
    """Checks bearer tokens against the stack's own issuer."""

    def __init__(self, authorizers: Mapping[str, Authorizer], key: RSAPublicKey) -> None:
        self._authorizers = authorizers
        self._key = key

    def identify(self, route: Route, header: str | None) -> Identity | None:
        """Return who calls `route`, None when it asks for nobody. Raises Problem 401 or 403."""
        if route.authorizer is None:
            return None
        if not header:
            raise Problem(401, "unauthorized", "A bearer token is required.", {"WWW-Authenticate": "Bearer"})
        claims = self._verified(self._authorizers[route.authorizer], header)
        granted = str(claims.get("scope", "")).split()
        matching = tuple(scope for scope in route.scopes if scope in granted)
        if route.scopes and not matching:
            wanted = " ".join(route.scopes)
            challenge = f'Bearer scope="{wanted}" error="insufficient_scope"'
            detail = f"The token lacks the scope {wanted}."
            raise Problem(403, "insufficient_scope", detail, {"WWW-Authenticate": challenge})
        return Identity(claims, matching)

    def _verified(self, authorizer: Authorizer, header: str) -> dict[str, Any]:
        scheme, _, token = header.partition(" ")
        token = token if scheme.lower() == "bearer" else header
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=["RS256"],
                audience=list(authorizer.audience),
                issuer=authorizer.issuer,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise _refused("The token has expired.") from error
        except jwt.InvalidTokenError as error:
            raise _refused("The token is not valid.") from error
        return claims


def _refused(detail: str) -> Problem:
    challenge = f'Bearer error="invalid_token" error_description="{detail}"'
    return Problem(401, "unauthorized", detail, {"WWW-Authenticate": challenge})
