"""The check before the local AWS: a WSGI application that lets through what the caller's role allows.

It notes which grants were used, for `python -m local grants`, and what was refused: a function may get on without what
it was refused, and no test would see that.
"""

import functools
import io
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from local.iam import credentials, policies, refusals, requests, s3
from local.iam.policies import DECISIONS, Decision, Grant, Need, Policies
from local.iam.refusals import DENIED, INVALID_TOKEN, UNKNOWN_KEY, Refusal
from local.iam.requests import Unknown

POLICIES, USED, REFUSED = "policies.json", "used", "refused"

type Environ = dict[str, Any]
type Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

log = logging.getLogger(__name__)


class CutShort(Exception):
    """The request ended before its body did: its sender died, and asked for nothing."""


class Guard:
    """Checks requests against the policies in a folder, which are read when the first role calls.

    The folder has `policies.json`, and gets `used` (grants) and `refused` (messages). Called with a WSGI application,
    its request and `start_response`, it is that application, guarded.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / POLICIES
        self._used = Lines(folder / USED)
        self._refused = Lines(folder / REFUSED)
        self._policies: Policies | None = None
        self._decided: Callable[[str, Need], Decision] = functools.lru_cache(DECISIONS)(self._decide)

    def __call__(self, application: Application, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        signed = credentials.signature(environ)
        if signed is None or (role := signed.role) is None:
            return application(environ, start)
        try:
            refusal = self._check(role, signed, environ)
        except CutShort:
            start("400 Bad Request", [("Content-Length", "0")])
            return []
        if refusal is None and signed.service == "s3" and (listing := s3.listing_of(environ)) is not None:
            return self._hiding(application, environ, start, role, listing)
        if refusal is None:
            return application(environ, start)
        return _answer(refusal, environ, start)

    def refusal(self, environ: Environ) -> Refusal | None:
        """Return why the request is refused, for a service that is no WSGI application; None if it is not."""
        signed = credentials.signature(environ)
        if signed is None or (role := signed.role) is None:
            return None
        return self._check(role, signed, environ)

    def _check(self, role: str, signed: credentials.Signature, environ: Environ) -> Refusal | None:
        known = self._known()
        if role not in known.roles or not signed.valid:
            return refusals.refuse(environ, signed.service, UNKNOWN_KEY, INVALID_TOKEN)
        try:
            needs = requests.needs(signed.service, environ, functools.partial(_body, environ), known)
        except Unknown as error:
            self._refused.add(f"{role}: {error}")
            return refusals.refuse(environ, signed.service, DENIED, str(error))
        for need in needs:
            decision = self._decided(role, need)
            if not decision.allowed:
                return self._deny(environ, signed.service, role, need, decision)
            self._note(decision)
        return None

    def _hiding(
        self, application: Application, environ: Environ, start: Callable[..., Any], role: str, listing: Need
    ) -> Iterable[bytes]:
        """Answer 403 instead of 404 to a role that may not list the bucket, as S3 does."""
        started: list[tuple[Any, ...]] = []

        def keep(*response: Any) -> None:
            started.append(response)

        body = application(environ, keep)
        if not str(started[-1][0]).startswith("404"):
            start(*started[-1])
            return body
        decision = self._decided(role, listing)
        if decision.allowed:
            self._note(decision)
            start(*started[-1])
            return body
        return _answer(self._deny(environ, "s3", role, listing, decision), environ, start)

    def _note(self, decision: Decision) -> None:
        for grant in decision.grants:
            self._used.add("\t".join(grant))

    def _deny(self, environ: Environ, service: str, role: str, need: Need, decision: Decision) -> Refusal:
        message = refusals.denied(self._known(), role, need, explicitly=decision.denied)
        log.warning("%s", message)
        self._refused.add(message)
        return refusals.refuse(environ, service, DENIED, message)

    def _decide(self, role: str, need: Need) -> Decision:
        return self._known().decide(role, need)

    def _known(self) -> Policies:
        if self._policies is None:
            self._policies = policies.read(self._path) if self._path.exists() else None
        return self._policies or Policies()


class Lines:
    """A file of distinct lines, added to by each stack that runs on the same state."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[str] = set()
        self._writing = threading.Lock()

    def add(self, line: str) -> None:
        """Note a line. A process that is killed after it loses none."""
        if line not in self._seen:
            with self._writing, self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            self._seen.add(line)


def used(path: Path) -> set[Grant]:
    """Return the grants in a record of those that were used."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {Grant(*line.split("\t")) for line in lines if line.count("\t") == 2}


def _body(environ: Environ) -> bytes:
    """Read the request's body, and put it back for the application. Raises CutShort."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    data: bytes = environ["wsgi.input"].read(size) if size else b""
    environ["wsgi.input"] = io.BytesIO(data)
    if len(data) < size:
        raise CutShort
    return data


def _answer(refusal: Refusal, environ: Environ, start: Callable[..., Any]) -> list[bytes]:
    with suppress(CutShort):
        _body(environ)  # a connection that is kept must not begin its next request with the rest of this one
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else refusal.body
    start(refusal.status, [*refusal.headers, ("Content-Length", str(len(body)))])
    return [body]
