"""Where notices are sent: webhooks, and recipients of e-mail."""

from collections.abc import AsyncIterator
from typing import Any

from longhaul_client.api import Api, Query
from longhaul_client.documents import Document
from longhaul_client.resources import once, segment

WEBHOOKS = "/api/v1/webhooks"
RECIPIENTS = "/api/v1/mail/recipients"

_WEBHOOK = ("webhook_id", "url")
_DELIVERY = ("delivery_id", "status")
_RECIPIENT = ("recipient_id", "address", "status")


class Webhooks:
    """The tenant's webhooks, and what was delivered to them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def pages(self) -> AsyncIterator[list[Document]]:
        """Yield all webhooks, the oldest first, a page at a time."""
        return self._api.pages(WEBHOOKS, {})

    async def read(self, webhook_id: str) -> Document:
        return await self._api.get(_path(webhook_id), expects=_WEBHOOK)

    async def add(self, **given: Any) -> Document:
        """Make a webhook. `given`: url, title, events, kinds.

        Only this answer and that of `rotate` have its secret.
        """
        return await self._change("POST", WEBHOOKS, body=given, expects=(*_WEBHOOK, "secret"))

    async def change(self, webhook_id: str, **changes: Any) -> Document:
        """`changes`: url, title, events, kinds (None: all), paused, disabled (False)."""
        return await self._change("PATCH", _path(webhook_id), body=changes, expects=_WEBHOOK)

    async def rotate(self, webhook_id: str) -> Document:
        """Replace the secret. The former one signs, too, for a day."""
        return await self._change("POST", _path(webhook_id, "rotate"), expects=(*_WEBHOOK, "secret"))

    async def remove(self, webhook_id: str) -> None:
        await self._change("DELETE", _path(webhook_id))

    async def test(self, webhook_id: str) -> Document:
        """Have a test posted. Returns its delivery."""
        return await self._change("POST", _path(webhook_id, "test"), expects=_DELIVERY)

    def deliveries(self, webhook_id: str, query: Query) -> AsyncIterator[list[Document]]:
        """Yield its deliveries, the newest first, a page at a time. `query`: status, limit."""
        return self._api.pages(_path(webhook_id, "deliveries"), query)

    async def replay(self, webhook_id: str, delivery_id: str) -> Document:
        """Have a delivery posted again. Returns it."""
        path = _path(webhook_id, "deliveries", segment(delivery_id), "replay")
        return await self._change("POST", path, expects=_DELIVERY)

    async def replay_since(self, webhook_id: str, **chosen: Any) -> AsyncIterator[int]:
        """Have all deliveries since a time posted again; `chosen`: since, status. Yields how many each round did."""
        more = True
        while more:
            answer = await self._change("POST", _path(webhook_id, "replay"), body=chosen, expects=("replayed",))
            yield answer["replayed"]
            more = answer.get("more", False)
            chosen |= {"since": answer.get("next_since") or chosen.get("since")}

    async def secret(self) -> Document:
        """Return the secret that signs what is posted to the `callbacks` of tasks."""
        return await self._api.get(f"{WEBHOOKS}/secret", expects=("secret",))

    async def rotate_secret(self) -> Document:
        return await self._change("POST", f"{WEBHOOKS}/secret/rotate", expects=("secret",))

    async def _change(self, method: str, path: str, **more: Any) -> Document:
        return await self._api.send(method, path, headers=once(), **more)


class Recipients:
    """Who is told by e-mail when the tenant's tasks end."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def all(self) -> list[Document]:
        items: list[Document] = (await self._api.get(RECIPIENTS, expects=("items",)))["items"]
        return items

    async def add(self, **given: Any) -> Document:
        """`given`: address, language (en, zh), kinds. Nothing is sent before the address is confirmed by a link."""
        return await self._api.send("POST", RECIPIENTS, body=given, headers=once(), expects=_RECIPIENT)

    async def remove(self, recipient_id: str) -> None:
        await self._api.send("DELETE", f"{RECIPIENTS}/{segment(recipient_id)}", headers=once())


def _path(webhook_id: str, *more: str) -> str:
    return "/".join((WEBHOOKS, segment(webhook_id), *more))
