"""The signature that Alibaba Cloud's clients put on a request: ACS3-HMAC-SHA256.

A signed request names the headers it signed; those that say what is asked of whom, and when, must be among them. What
is signed is the query as it was before it was encoded for the URL: encoded anew, in the order of its names.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from aiohttp import web

from local.providers.rpc import Refusal

ALGORITHM = "ACS3-HMAC-SHA256"
AUTHORIZATION = re.compile(rf"{ALGORITHM} Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{{64}})")
SIGNED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
FRESH = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Keys:
    """The only access key that is accepted; without an id any, without a secret unchecked."""

    id: str = ""
    secret: str = ""


def verify(request: web.Request, body: bytes, keys: Keys) -> None:
    """Raise Refusal unless the holder of `keys` signed this request, just now."""
    matched = AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if matched is None or SIGNED - set(names := matched[2].split(";")):
        raise Refusal(400, "IncompleteSignature", "The request signature does not conform to Alibaba Cloud standards.")
    if keys.id not in ("", matched[1]):
        raise Refusal(403, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    if not _is_fresh(request.headers.get("x-acs-date", "")):
        raise Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    if keys.secret and not hmac.compare_digest(matched[3], _signature(request, body, names, keys.secret)):
        message = "Specified signature is not matched with our calculation."
        raise Refusal(403, "SignatureDoesNotMatch", message)


def _is_fresh(date: str) -> bool:
    try:
        signed = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(datetime.now(UTC) - signed) < FRESH


def _signature(request: web.Request, body: bytes, names: list[str], secret: str) -> str:
    query = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(request.query.items()))
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names)
    payload = hashlib.sha256(body).hexdigest()
    asked = "\n".join((request.method, request.path, query, headers, ";".join(names), payload))
    text = f"{ALGORITHM}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def _encoded(text: str) -> str:
    return quote(text, safe="~")
