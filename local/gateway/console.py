"""The console's files, at /console/, with the headers that CloudFront adds in the cloud."""

import json
import mimetypes
from pathlib import Path

from aiohttp import web

from local.gateway.sign_in import CLIENT
from local.gateway.tokens import SCOPES, Issuer
from local.options import ROOT

PATH = "/console/"
DIST = ROOT / "console" / "dist"
CONFIG = "config.json"


class Console:
    """Serves what `make console` has built. An address that is no file is a page of the application."""

    def __init__(self, issuer: Issuer, port: int, dist: Path = DIST) -> None:
        self._origin = f"http://127.0.0.1:{port}"
        self._config = {
            "issuer": issuer.url,
            "client_id": CLIENT,
            "scopes": list(SCOPES),
            "scope_prefix": "",
            "api": self._origin,
            "logs": None,
        }
        self._headers = headers(f"ws://127.0.0.1:{port}", files="http://127.0.0.1:*")
        self._dist = dist.resolve()

    def answer(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer a request below /console; None for any other."""
        path = request.rel_url.path
        if request.method not in ("GET", "HEAD") or not f"{path}/".startswith(PATH):
            return None
        if request.host != self._origin.removeprefix("http://"):  # tokens and sockets are for this origin alone
            return web.Response(status=307, headers={"Location": f"{self._origin}{request.rel_url}"})
        if path == PATH.rstrip("/"):
            return web.Response(status=307, headers={"Location": PATH})
        name = path.removeprefix(PATH)
        if name == CONFIG:
            return self._response(json.dumps(self._config).encode(), "application/json", kept=False)
        file = (self._dist / name).resolve()
        if not file.is_relative_to(self._dist) or not file.is_file():
            if Path(name).suffix:
                return web.Response(status=404, text="There is no such file.")
            file = self._dist / "index.html"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return self._response(file.read_bytes(), kind, kept=name.startswith("assets/"))

    def _response(self, body: bytes, kind: str, *, kept: bool) -> web.Response:
        charset = "utf-8" if kind.startswith("text/") else None
        cache = "public, max-age=31536000, immutable" if kept else "no-cache"
        headers = {**self._headers, "Cache-Control": cache}
        response = web.Response(body=body, content_type=kind, charset=charset, headers=headers)
        response.enable_compression()
        return response


def headers(*sources: str, files: str) -> dict[str, str]:
    """Return the security headers. `sources` are the origins besides its own that the console talks to, `files` are
    those that links to recordings and films lead to.
    """
    connected = " ".join(("'self'", *sources, files))
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' data: {files}",
        "font-src": "'self'",
        "connect-src": connected,
        "media-src": f"'self' {files}",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
