"""What a demo asks of a stack, over HTTP: whatever is no answer ends the demo, with the reason."""

from typing import Any

from local.options import StackError
from local.requests import send
from local.running import RunningStack

SECONDS = 30.0

type Document = dict[str, Any]  # a JSON object as the API answered it


def ask(stack: RunningStack, method: str, path: str, body: Document | None = None) -> Document:
    """The API's answer. Raises StackError with what it says is wrong."""
    try:
        answer = stack.request(method, path, json=body)
        document: Document = answer.json()
    except (OSError, ValueError) as error:
        raise StackError(f"{method} {path}: {error}") from error
    if answer.status >= 400:
        errors = "; ".join(f"{error['pointer']}: {error['detail']}" for error in document.get("errors", ()))
        raise StackError(f"{method} {path}: {answer.status} {document.get('detail')} {errors}".strip())
    return document


def fetch(url: str, method: str = "GET", body: Document | None = None) -> bytes:
    """What lies at an address that is not the API's: a link in an answer, the providers' control. Raises StackError."""
    try:
        answer = send(url, method, body, {}, SECONDS)
    except OSError as error:
        raise StackError(f"{method} {url}: {error}") from error
    if answer.status != 200:
        raise StackError(f"{method} {url}: {answer.status}")
    return answer.body
