"""A real browser, and the console in it as a person has it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from local.running import RunningStack

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SECONDS = 90  # a busy machine is no finding


@contextmanager
def browsing(**context: Any) -> Iterator[Page]:
    """Open a browser with one page. `context` are Playwright's options of it, such as color_scheme and locale."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=[*ARGUMENTS])
        page = browser.new_context(**{"locale": "en-GB", **context}).new_page()
        page.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        yield page
        browser.close()


class Console:
    """The console of a stack in a page. `wrong` is what went wrong in it: exceptions, and what its policy refused."""

    def __init__(self, page: Page, stack: RunningStack) -> None:
        self.page = page
        self.url = f"{stack.url}/console/"
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: self._note(said.type, said.text))

    def sign_in(self, path: str = "", *, reads: bool = False, tenant: str = "") -> None:
        """Sign in where nobody is signed in. `reads`: as one who may change nothing."""
        self.page.goto(self.url + path)
        self.page.get_by_role("button", name="Sign in").or_(self.page.get_by_role("button", name="登录")).click()
        if reads or tenant:
            self.page.locator("summary").click()
        if reads:
            self.page.get_by_label("may only read").check()
        if tenant:
            self.page.get_by_label("Tenant").fill(tenant)
        self.page.get_by_role("button", name="Continue as developer").click()
        expect(self.page.locator(".shell")).to_be_visible()

    def open(self, path: str) -> None:
        """Load a page anew: the issuer knows who it is."""
        self.page.goto(self.url + path)
        expect(self.page.locator(".shell")).to_be_visible()

    def is_live(self) -> None:
        expect(self.page.locator(".live")).to_have_text("●Live")

    def _note(self, kind: str, text: str) -> None:
        # What the API refuses, and what is tried without a network, a browser reports as an error of its own.
        if kind == "error" and not text.startswith(("Failed to load resource", "WebSocket connection")):
            self.wrong.append(text)
