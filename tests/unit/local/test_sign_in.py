"""Signing in at the local issuer, as a browser does it: over HTTP, with cookies."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import jwt
import pytest
from aiohttp import web

from local.gateway.server import HttpServer
from local.gateway.sign_in import CODE_SECONDS, SignIn
from local.gateway.tokens import AUDIENCE, PATH, Issuer
from local.machine import free_port

VERIFIER = "a-verifier-of-at-least-forty-three-characters-000"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

type Row = dict[str, Any]


class Browser:
    """A person's browser at an issuer of its own, whose clock stands."""

    def __init__(self, issuer: Issuer, port: int, session: aiohttp.ClientSession) -> None:
        self.issuer = issuer
        self.origin = f"http://127.0.0.1:{port}"
        self.session = session
        self.now = 1000.0

    def query(self, **changes: str) -> dict[str, str]:
        usual = {
            "client_id": "console",
            "redirect_uri": f"{self.origin}/console/signed-in",
            "response_type": "code",
            "scope": "openid tasks:read tasks:write ops",
            "state": "a state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {**usual, **changes}

    async def open(self, **changes: str) -> aiohttp.ClientResponse:
        address = f"{self.origin}{PATH}/authorize"
        return await self.session.get(address, params=self.query(**changes), allow_redirects=False)

    async def press(self, origin: str | None = None, **fields: str) -> aiohttp.ClientResponse:
        """Press the button of the page."""
        return await self.session.post(
            f"{self.origin}{PATH}/authorize",
            params=self.query(),
            data=fields,
            headers={"Origin": origin or self.origin},
            allow_redirects=False,
        )

    async def code(self, **fields: str) -> str:
        return arrived(await self.press(**fields))["code"]

    async def token(self, **given: str) -> tuple[int, Row]:
        usual = {
            "grant_type": "authorization_code",
            "client_id": "console",
            "redirect_uri": f"{self.origin}/console/signed-in",
            "code_verifier": VERIFIER,
        }
        answer = await self.session.post(f"{self.origin}{PATH}/token", data={**usual, **given})
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()

    def claims(self, document: Row) -> Row:
        claims: Row = jwt.decode(document["access_token"], self.issuer.public_key, ["RS256"], audience=AUDIENCE)
        return claims


def arrived(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """What the address says that the browser is sent to."""
    assert answer.status == 303
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


@asynccontextmanager
async def browsing(state: Path) -> AsyncIterator[Browser]:
    port = free_port()
    issuer = Issuer(state, port)
    jar = aiohttp.CookieJar(unsafe=True)  # it has cookies of 127.0.0.1
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        browser = Browser(issuer, port, session)
        sign_in = SignIn(issuer, clock=lambda: browser.now)

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return await sign_in.answer(request) or web.Response(status=404)

        runner = web.ServerRunner(HttpServer(serve))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield browser
        await runner.cleanup()


def run(state: Path, work: Callable[[Browser], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        async with browsing(state) as browser:
            await work(browser)

    asyncio.run(all_of_it())


def test_one_press_signs_in_and_the_code_counts_once(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        page = await browser.open()
        assert page.status == 200
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        answer = arrived(await browser.press())
        assert answer["state"] == "a state"

        status, document = await browser.token(code=answer["code"])
        claims = browser.claims(document)
        assert (status, claims["tenant_id"], claims["sub"]) == (200, "local", "developer")
        assert document["scope"] == claims["scope"] == "tasks:read tasks:write ops"

        assert await browser.token(code=answer["code"]) == (400, {"error": "invalid_grant"})

    run(tmp_path, work)


@pytest.mark.parametrize(
    "given",
    [
        {"code_verifier": "another"},
        {"redirect_uri": "http://127.0.0.1/console/elsewhere"},
        {"client_id": "another"},
        {"grant_type": "password"},
        {"code": "made up"},
    ],
)
def test_a_code_is_for_whom_it_was_made_for(tmp_path: Path, given: dict[str, str]) -> None:
    async def work(browser: Browser) -> None:
        status, document = await browser.token(**{"code": await browser.code(), **given})
        assert (status, document.keys()) == (400, {"error"})

    run(tmp_path, work)


def test_a_code_expires(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        code = await browser.code()
        browser.now += CODE_SECONDS
        assert await browser.token(code=code) == (400, {"error": "invalid_grant"})

    run(tmp_path, work)


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/console/"},
        {"redirect_uri": "http://127.0.0.1:1/console/"},
        {"redirect_uri": "/elsewhere"},
        {"client_id": "another"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
    ],
)
def test_what_is_wrong_is_answered_here_and_redirected_nowhere(tmp_path: Path, changes: dict[str, str]) -> None:
    async def work(browser: Browser) -> None:
        await browser.press()  # even to one who is signed in
        answer = await browser.open(**changes)
        assert (answer.status, "Location" in answer.headers) == (400, False)

    run(tmp_path, work)


def test_another_page_cannot_press_the_button(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        assert (await browser.press(origin="https://evil.example")).status == 403

    run(tmp_path, work)


def test_who_has_signed_in_is_asked_nothing_until_signing_out(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        assert arrived(await browser.open(prompt="none"))["error"] == "login_required"
        await browser.press(tenant="acme", user="ada")

        code = arrived(await browser.open(prompt="none"))["code"]
        claims = browser.claims((await browser.token(code=code))[1])
        assert (claims["tenant_id"], claims["sub"]) == ("acme", "ada")

        away = f"{browser.origin}{PATH}/logout"
        gone = await browser.session.get(
            away, params={"post_logout_redirect_uri": "https://evil.example/"}, allow_redirects=False
        )
        assert gone.headers["Location"] == f"{browser.origin}/console/"
        assert arrived(await browser.open(prompt="none"))["error"] == "login_required"

    run(tmp_path, work)


def test_a_refresh_token_counts_once_and_brings_the_next(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        _, first = await browser.token(code=await browser.code(reads="on"))
        status, second = await browser.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert (status, browser.claims(second)["scope"]) == (200, "tasks:read")
        assert second["refresh_token"] != first["refresh_token"]
        again = await browser.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert again == (400, {"error": "invalid_grant"})

    run(tmp_path, work)
