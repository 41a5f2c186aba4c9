"""The temporary credentials of each role, and whose credentials a request carries.

Keys that do not begin as a role's do are not limited: those of the tests, of the stack itself and of a developer.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from local.template.model import REGION, STACK_NAME

PREFIX = "ASIA-"  # AWS's own temporary keys begin with ASIA

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/[^/]*/[^/]*/([^/]+)/")
_LEGACY = re.compile(r"AWS ([^:]+):")


class Signature(NamedTuple):
    """Whose credentials a request carries, and the service that it was signed for."""

    key: str
    token: str
    service: str

    @property
    def role(self) -> str | None:
        """The role that the key names, None for a key that is not limited."""
        return self.key.removeprefix(PREFIX) if self.key.startswith(PREFIX) else None

    @property
    def valid(self) -> bool:
        """Whether the session token is the one that was given out with the key."""
        return self.token == _token(self.role or "")


def of_role(role: str) -> dict[str, str]:
    """Return the variables that Lambda sets for a function with this role (a logical id)."""
    return {
        "AWS_ACCESS_KEY_ID": PREFIX + role,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": _token(role),
    }


def role_of(arn: str) -> str:
    """Return the logical id of a role of the stack."""
    return arn.rpartition("/")[2].removeprefix(f"{STACK_NAME}-")


def headers_of_role(role: str, service: str) -> dict[str, str]:
    """Return the headers that make a request the role's. The local AWS checks no signature."""
    scope = f"{PREFIX}{role}/20260101/{REGION}/{service}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "X-Amz-Security-Token": _token(role),
    }


def signature(environ: dict[str, Any]) -> Signature | None:
    """Return the signature of a WSGI request: of its header, or of its query if it is presigned. None without one."""
    if header := environ.get("HTTP_AUTHORIZATION"):
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
        if found := _CREDENTIAL.search(header):
            return Signature(found[1], token, found[2])
        legacy = _LEGACY.match(header)
        return Signature(legacy[1], token, "s3") if legacy else None
    query = environ.get("QUERY_STRING", "")
    if "X-Amz-Credential=" not in query and "AWSAccessKeyId=" not in query:
        return None
    given = {name.lower(): values[-1] for name, values in parse_qs(query).items()}
    key, _, scope = given.get("x-amz-credential", "").partition("/")
    service = scope.split("/")[2] if scope.count("/") >= 3 else "s3"
    return Signature(key or given.get("awsaccesskeyid", ""), given.get("x-amz-security-token", ""), service)


def _token(role: str) -> str:
    return f"session-of-{role}"
