"""Alibaba Cloud's RPC style: flat parameters, one envelope for all answers, two ways to say no.

The gateway refuses with an error status and `{Code, Message, RequestId, HostId}`. The service behind it refuses what it
understood with status 200 and `Success: false`.
"""

import uuid
from collections.abc import Mapping
from typing import Any

OK = 200


class Refusal(Exception):
    """What is asked is not done; the status and code say why."""

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
    """A request's parameters; a list comes as `JobId.1`, `JobId.2`, a truth value as `True` or `true`."""

    def __init__(self, given: Mapping[str, str], host: str) -> None:
        self._given = given
        self.host = host  # where the client sent the request

    def get(self, name: str) -> str:
        return self._given.get(name, "")

    def required(self, name: str) -> str:
        if not (value := self.get(name)):
            raise Refusal(400, f"Missing{name}", f"{name} is mandatory for this action.")
        return value

    def flag(self, name: str) -> bool:
        return self.required(name).lower() == "true"

    def number(self, name: str, most: int) -> int:
        value = self.required(name)
        if not (value.isdecimal() and 1 <= int(value) <= most):
            raise invalid(name, f"is a number from 1 to {most}")
        return int(value)

    def listed(self, name: str) -> list[str]:
        found: list[str] = []
        while (value := self._given.get(f"{name}.{len(found) + 1}")) is not None:
            found.append(value)
        return found

    def required_list(self, name: str, most: int) -> list[str]:
        if not (found := self.listed(name)):
            raise Refusal(400, f"Missing{name}", f"{name} is mandatory for this action.")
        if len(found) > most:
            raise invalid(name, f"has at most {most} elements")
        return found


def invalid(name: str, rule: str) -> Refusal:
    return Refusal(400, f"InvalidParameter.{name}", f"The specified parameter {name} is not valid: it {rule}.")


def success(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {**_envelope("OK", "Success"), "Success": True, **payload}


def _envelope(code: str, message: str) -> dict[str, Any]:
    return {"Code": code, "HttpStatusCode": OK, "Message": message, "RequestId": _request_id()}


def _request_id() -> str:
    return str(uuid.uuid4()).upper()
