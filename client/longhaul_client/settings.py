"""Where the API is and who asks: given, or from the environment."""

import os
from dataclasses import dataclass
from typing import Self

import httpx

from longhaul_client.errors import ValidationError

URL = "http://127.0.0.1:3000"  # where `make up` serves


@dataclass(frozen=True)
class Settings:
    """`timeout`: seconds an answer may take."""

    url: str
    token: str
    timeout: float = 30.0

    @classmethod
    def of(cls, url: str | None = None, token: str | None = None) -> Self:
        """What is not given comes from LONGHAUL_URL and LONGHAUL_TOKEN. Raises ValidationError for what is neither."""
        found = (url or os.environ.get("LONGHAUL_URL") or URL).strip().rstrip("/")
        secret = (token or os.environ.get("LONGHAUL_TOKEN") or "").strip()
        if not _is_url(found):
            raise ValidationError(f"{found!r} is no URL such as {URL}")
        if not (secret.isascii() and secret.isprintable()):
            raise ValidationError("the token is none: it has characters that no token has")
        return cls(found, secret)


def _is_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)
