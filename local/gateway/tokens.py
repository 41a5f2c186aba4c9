"""Tokens: the stack's own issuer (an RS256 key in the state folder) and the JWT authorizer that checks its tokens."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.gateway.server import Problem
from local.machine import write_private
from local.template.model import Authorizer, Route

PATH = "/.local/issuer"
JWKS_PATH = f"{PATH}/.well-known/jwks.json"
CONFIGURATION_PATH = f"{PATH}/.well-known/openid-configuration"
AUDIENCE = "longhaul"
SCOPES = ("tasks:read", "tasks:write", "directory:read", "notices:read", "notices:write", "ops")
KEY_ID = "local"


def issuer_url(port: int) -> str:
    return f"http://127.0.0.1:{port}{PATH}"


class Issuer:
    """Issues tokens for the stack whose gateway listens on `port`."""

    def __init__(self, state: Path, port: int) -> None:
        self.url = issuer_url(port)
        self._key = _load_or_make(state / "issuer.pem")

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        return self._key.public_key()

    def token(self, tenant: str, user: str, scopes: Sequence[str] = SCOPES, hours: float = 24) -> str:
        """Return a signed token. Negative `hours` make one that has expired."""
        return self.session(AUDIENCE, int(hours * 3600), tenant, user, scopes)

    def session(self, audience: str, seconds: int, tenant: str, user: str, scopes: Sequence[str]) -> str:
        """Return a signed token for another audience than the API."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": audience,
            "sub": user,
            "tenant_id": tenant,
            "scope": " ".join(scopes),
            "iat": min(now, now + seconds),
            "exp": now + seconds,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def jwks(self) -> dict[str, Any]:
        """Return the key set document."""
        numbers = self.public_key.public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID}
        return {"keys": [{**key, "n": _base64(numbers.n), "e": _base64(numbers.e)}]}

    def configuration(self) -> dict[str, Any]:
        """Return the OpenID discovery document."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(SCOPES),
        }


@dataclass(frozen=True)
class Identity:
    """A token's claims, and those of its scopes that the route requires."""

    claims: Mapping[str, Any]
    scopes: tuple[str, ...]


class JwtAuthorizer:
    """Checks bearer tokens against the issuer's public key."""

    def __init__(self, authorizers: Mapping[str, Authorizer], key: rsa.RSAPublicKey) -> None:
        self._authorizers = authorizers
        self._key = key

    def identify(self, route: Route, header: str | None) -> Identity | None:
        """Return the caller of `route`; None for a route without an authorizer. Raises Problem 401 or 403."""
        if route.authorizer is None:
            return None
        if not header:
            raise Problem(401, "unauthorized", "A bearer token is required.", {"WWW-Authenticate": "Bearer"})
        claims = self._verified(self._authorizers[route.authorizer], header)
        granted = [*_scopes(claims.get("scope")), *_scopes(claims.get("scp"))]
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
            json.dumps(claims, ensure_ascii=False).encode()  # half a surrogate pair cannot be passed on
        except jwt.ExpiredSignatureError as error:
            raise _refused("The token has expired.") from error
        except (jwt.InvalidTokenError, UnicodeEncodeError) as error:
            raise _refused("The token is not valid.") from error
        return claims


def _scopes(claim: Any) -> list[str]:
    """Return the scopes of a claim: a list, or a text with spaces between them."""
    return [str(scope) for scope in claim] if isinstance(claim, list) else str(claim or "").split()


def _refused(detail: str) -> Problem:
    challenge = f'Bearer error="invalid_token" error_description="{detail}"'
    return Problem(401, "unauthorized", detail, {"WWW-Authenticate": challenge})


def _load_or_make(path: Path) -> rsa.RSAPrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{path} is not an RSA key")
        return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(encoding, kind, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, pem.decode())
    return key


def _base64(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
