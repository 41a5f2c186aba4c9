"""Alibaba Cloud's RPC protocol: flat parameters, one envelope for all responses, and the signature of requests.

The gateway refuses a request with an error status and `{Code, Message, RequestId, HostId}`. The service behind it
refuses with status 200 and `Success: false`.

The signature is ACS3-HMAC-SHA256. A request names the headers that it signed; those that identify the action and the
time must be among them. The signed query is the decoded one, encoded anew in the order of its names.
"""

import hashlib
import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from aiohttp import web

OK = 200

ALGORITHM = "ACS3-HMAC-SHA256"
AUTHORIZATION = re.compile(rf"{ALGORITHM} Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{{64}})")
SIGNED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
FRESH = timedelta(minutes=15)


class Refusal(Exception):
    """The request is not carried out; `status` and `code` say why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message

    def body(self, host: str) -> dict[str, Any]:
        if self.status == OK:
            return {**_envelope(self.code, self.message), "Success": False}
        return {"Code": self.code, "Message": self.message, "RequestId": _request_id(), "HostId": host}


class Parameters:
    """A request's parameters. A list is `JobId.1`, `JobId.2` ...; a boolean is `True` or `true`."""

    def __init__(self, given: Mapping[str, str], host: str) -> None:
        self._given = given
        self.host = host  # to which the client sent the request

    def get(self, name: str) -> str:
        return self._given.get(name, "")

    def required(self, name: str) -> str:
        if not (value := self.get(name)):
            raise Refusal(400, f"Missing{name}", f"{name} is mandatory for this action.")
        return value

    def flag(self, name: str) -> bool:
        return self.required(name).lower() == "true"

    def number(self, name: str, maximum: int) -> int:
        value = self.required(name)
        if not (value.isdecimal() and 1 <= int(value) <= maximum):
            raise invalid(name, f"is a number from 1 to {maximum}")
        return int(value)

    def listed(self, name: str) -> list[str]:
        found: list[str] = []
        while (value := self._given.get(f"{name}.{len(found) + 1}")) is not None:
            found.append(value)
        return found

    def required_list(self, name: str, maximum: int) -> list[str]:
        if not (found := self.listed(name)):
            raise Refusal(400, f"Missing{name}", f"{name} is mandatory for this action.")
        if len(found) > maximum:
            raise invalid(name, f"has at most {maximum} elements")
        return found


def invalid(name: str, rule: str) -> Refusal:
    return Refusal(400, f"InvalidParameter.{name}", f"The specified parameter {name} is not valid: it {rule}.")


def success(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {**_envelope("OK", "Success"), "Success": True, **payload}


def _envelope(code: str, message: str) -> dict[str, Any]:
    return {"Code": code, "HttpStatusCode": OK, "Message": message, "RequestId": _request_id()}


def _request_id() -> str:
    return str(uuid.uuid4()).upper()


@dataclass(frozen=True, slots=True)
class Keys:
    """The only access key that is accepted. Without an id any is; without a secret signatures are not checked."""

    id: str = ""
    secret: str = ""


def verify(request: web.Request, body: bytes, keys: Keys) -> None:
    """Raise Refusal unless the holder of `keys` signed this request within the last minutes."""
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
    canonical = "\n".join((request.method, request.path, query, headers, ";".join(names), payload))
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def _encoded(text: str) -> str:
    return quote(text, safe="~")
