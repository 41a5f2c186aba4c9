"""Notices posted to an address of one's own, signed as Longhaul signs webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
import secrets
import time

import httpx

from longhaul_client.api import Api
from longhaul_client.connections import Pool
from longhaul_client.documents import Document
from longhaul_client.errors import ValidationError

PREFIX = "whsec_"
SECRET_BYTES = 32
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64  # of Standard Webhooks
POST_SECONDS = 15.0  # as webhooks are given

HINTS = ("longhaul.task.submitted", "longhaul.task.progress", "longhaul.task.state")  # no webhook is told of these


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class Forwarder:
    """Posts notices to `url`, one after the other, once each."""

    def __init__(self, api: Api, url: str, secret: str) -> None:
        """Raises ValidationError for a URL or a secret that is none."""
        self._api = api
        self._url = _checked(url)
        self._key = _key_of(secret)

    async def post(self, notice: Document) -> str:
        """Return how it went: the status, or the error. Only a status of 2xx is a success."""
        body = json.dumps(notice, ensure_ascii=False, separators=(",", ":")).encode()
        pool = await Pool.of(self._api)
        try:
            response = await pool.client.post(
                self._url, content=body, headers=self._headers(notice, body), timeout=POST_SECONDS
            )
        except httpx.HTTPError as error:
            return str(error) or type(error).__name__
        return str(response.status_code)

    def _headers(self, notice: Document, body: bytes) -> dict[str, str]:
        """A notice's `webhook-id` is the same each time it is posted."""
        named = f"{notice['subject']} {notice['type']} {notice['id']}".encode()
        message_id, timestamp = f"msg_{hashlib.sha256(named).hexdigest()[:32]}", str(int(time.time()))
        digest = hmac.new(self._key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValidationError(f"{url!r} is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValidationError(f"{url!r} is not a URL such as http://localhost:8000/hook")
    return url


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        size = f"{MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes"
        raise ValidationError(f"a secret is {PREFIX} and {size} in base64; leave it out to have one made")
    return key
