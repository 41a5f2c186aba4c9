"""Signing in at the local issuer: OpenID Connect's code flow with PKCE, for the console and for one click.

There are no passwords: who reaches this machine may be anyone, as with `python -m local token`. All else is as a real
issuer does it: a code counts once, for a minute, for the address and the verifier that it was made for.
"""

import base64
import hashlib
import hmac
import html
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import jwt
from aiohttp import web

from local.gateway.tokens import PATH, SCOPES, Issuer

AUTHORIZE_PATH = f"{PATH}/authorize"
TOKEN_PATH = f"{PATH}/token"
LOGOUT_PATH = f"{PATH}/logout"
CLIENT = "console"
CALLBACKS = "/console/"  # a code is sent nowhere else
COOKIE = "longhaul_issuer"
SESSION_AUDIENCE = "longhaul-session"
CODE_SECONDS = 60.0
TOKEN_SECONDS = 900
SESSION_SECONDS = 24 * 3600
DEVELOPER = ("local", "developer")  # tenant and user

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 26rem; margin: 12vh auto; padding: 0 1rem }
button { font: inherit; padding: .6rem 1rem; width: 100%; cursor: pointer }
label { display: block; margin: .5rem 0 } input[type=text] { font: inherit; width: 100%; box-sizing: border-box }
details { margin-top: 2rem }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


@dataclass(frozen=True)
class Person:
    """Whom a token is for, and what it allows."""

    tenant: str
    user: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class _Code:
    person: Person
    challenge: str
    callback: str
    expires: float


class _Refused(Exception):
    """The request is answered with an error of OAuth 2.0, such as invalid_grant."""


class SignIn:
    """The issuer's endpoints that a browser comes to."""

    def __init__(self, issuer: Issuer, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._refresh: dict[str, Person] = {}

    async def answer(self, request: web.BaseRequest) -> web.Response | None:
        """Answer one of the endpoints; None for any other request."""
        match request.method, request.rel_url.path:
            case (("GET" | "POST"), path) if path == AUTHORIZE_PATH:
                return await self._authorize(request)
            case "POST", path if path == TOKEN_PATH:
                return await self._token(request)
            case "GET", path if path == LOGOUT_PATH:
                return self._logout(request)
        return None

    async def _authorize(self, request: web.BaseRequest) -> web.Response:
        query = request.rel_url.query
        wrong = self._wrong(query)
        if wrong is not None:  # a code must not reach an address that was not checked, so nothing is redirected
            return _page(f"<h1>This cannot be done</h1><p>{html.escape(wrong)}</p>", status=400)
        if request.method == "POST":
            if request.headers.get("Origin", self._origin()) != self._origin():
                return _page("<h1>This cannot be done</h1><p>Another page asked for it.</p>", status=403)
            form = {name: str(value) for name, value in (await request.post()).items()}
            asked = set(query.get("scope", "").split())
            reads = form.get("reads") == "on"
            scopes = tuple(scope for scope in SCOPES if scope in asked and (scope.endswith(":read") or not reads))
            tenant, user = (form.get(name) or usual for name, usual in zip(("tenant", "user"), DEVELOPER, strict=True))
            return self._redirect(query, Person(tenant, user, scopes), remember=True)
        person = self._remembered(request)
        if person is not None and query.get("prompt") != "login":
            return self._redirect(query, person)
        if query.get("prompt") == "none":
            return _see_other(_with(query["redirect_uri"], error="login_required", state=query.get("state", "")))
        return _page(_form(request))

    def _wrong(self, query: Mapping[str, str]) -> str | None:
        """What is wrong about a request to authorize."""
        callback = urlsplit(query.get("redirect_uri", ""))
        if query.get("client_id") != CLIENT:
            return f"The client_id is not {CLIENT}."
        if f"{callback.scheme}://{callback.netloc}" != self._origin() or not callback.path.startswith(CALLBACKS):
            return f"The redirect_uri does not begin with {self._origin()}{CALLBACKS}."
        if query.get("response_type") != "code":
            return "The response_type is not code."
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return "A code_challenge with the method S256 is required (PKCE)."
        return None

    def _redirect(self, query: Mapping[str, str], person: Person, *, remember: bool = False) -> web.Response:
        now = self._clock()
        self._codes = {code: made for code, made in self._codes.items() if made.expires > now}
        code, callback = secrets.token_urlsafe(32), query["redirect_uri"]
        self._codes[code] = _Code(person, query["code_challenge"], callback, now + CODE_SECONDS)
        response = _see_other(_with(callback, code=code, state=query.get("state", "")))
        if remember:
            session = self._issuer.session(SESSION_AUDIENCE, SESSION_SECONDS, person.tenant, person.user, person.scopes)
            response.set_cookie(COOKIE, session, path=PATH, max_age=SESSION_SECONDS, httponly=True, samesite="Lax")
        return response

    def _remembered(self, request: web.BaseRequest) -> Person | None:
        try:
            claims = jwt.decode(
                request.cookies.get(COOKIE, ""),
                self._issuer.public_key,
                algorithms=["RS256"],
                audience=SESSION_AUDIENCE,
                issuer=self._issuer.url,
            )
        except jwt.InvalidTokenError:
            return None
        return Person(claims["tenant_id"], claims["sub"], tuple(claims["scope"].split()))

    async def _token(self, request: web.BaseRequest) -> web.Response:
        given = {name: str(value) for name, value in (await request.post()).items()}
        headers = {"Cache-Control": "no-store"}
        try:
            person = self._granted(given)
        except _Refused as refused:
            return web.json_response({"error": str(refused)}, status=400, headers=headers)
        refresh = secrets.token_urlsafe(32)
        self._refresh[refresh] = person
        token = self._issuer.token(person.tenant, person.user, person.scopes, TOKEN_SECONDS / 3600)
        body = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "refresh_token": refresh,
            "scope": " ".join(person.scopes),
        }
        return web.json_response(body, headers=headers)

    def _granted(self, given: Mapping[str, str]) -> Person:
        """Whom a code or a refresh token is for. Either counts once. Raises _Refused."""
        if given.get("client_id") != CLIENT:
            raise _Refused("invalid_client")
        if given.get("grant_type") == "refresh_token":
            person = self._refresh.pop(given.get("refresh_token", ""), None)
            if person is None:
                raise _Refused("invalid_grant")
            return person
        if given.get("grant_type") != "authorization_code":
            raise _Refused("unsupported_grant_type")
        code = self._codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            code is None
            or code.expires <= self._clock()
            or code.callback != given.get("redirect_uri")
            or not hmac.compare_digest(code.challenge, proof)
        ):
            raise _Refused("invalid_grant")
        return code.person

    def _logout(self, request: web.BaseRequest) -> web.Response:
        wanted = request.rel_url.query.get("post_logout_redirect_uri", "")
        target = urlsplit(wanted)
        own = f"{target.scheme}://{target.netloc}" == self._origin() and target.path.startswith(CALLBACKS)
        response = _see_other(wanted if own else f"{self._origin()}{CALLBACKS}")
        response.del_cookie(COOKIE, path=PATH)
        return response

    def _origin(self) -> str:
        return self._issuer.url.removesuffix(PATH)


def _form(request: web.BaseRequest) -> str:
    action = html.escape(str(request.rel_url))
    tenant, user = DEVELOPER
    return f"""<h1>Longhaul on this machine</h1>
<form method="post" action="{action}">
<button autofocus>Continue as {user}</button>
<details><summary>As somebody else</summary>
<label>Tenant <input type="text" name="tenant" value="{tenant}" maxlength="64"></label>
<label>User <input type="text" name="user" value="{user}" maxlength="255"></label>
<label><input type="checkbox" name="reads"> may only read</label>
</details></form>"""


def _page(body: str, status: int = 200) -> web.Response:
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title><style>{_STYLE}</style>{body}'
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def _see_other(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


def _with(address: str, **given: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(given)}"
