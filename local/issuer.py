"""The stack's own token issuer: one RS256 key in the state folder, its public documents, tokens for development."""

import base64
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PATH = "/.local/issuer"
AUDIENCE = "longhaul"
SCOPES = ("tasks:read", "tasks:write", "directory:read", "ops")
KEY_ID = "local"


def issuer_url(port: int) -> str:
    return f"http://127.0.0.1:{port}{PATH}"


class Issuer:
    """Issues and publishes for the stack whose gateway listens on `port`."""

    def __init__(self, state: Path, port: int) -> None:
        self.url = issuer_url(port)
        self._key = _load_or_make(state / "issuer.pem")

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        return self._key.public_key()

    def token(self, tenant: str, user: str, scopes: Sequence[str] = SCOPES, hours: float = 24) -> str:
        """Return a signed token; `hours` may be negative, for one that has expired."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": user,
            "tenant_id": tenant,
            "scope": " ".join(scopes),
            "iat": min(now, now + int(hours * 3600)),
            "exp": now + int(hours * 3600),
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
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(SCOPES),
        }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


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
