"""The receiver's stand-in, as tests speak to it: what a name was posted, and how it is to behave."""

import json
from typing import Any

from standardwebhooks import Webhook

from local.running import send

type Posted = dict[str, Any]  # {at, path, headers, body, outcome}


class Receiver:
    """The receivers of a provider stand-in's process, each by a name."""

    def __init__(self, provider_url: str) -> None:
        self._provider_url = provider_url

    def url(self, name: str) -> str:
        return f"{self._provider_url}/receiver/{name}"

    def behave(self, name: str, **manner: Any) -> None:
        """See `local.providers.receiver.Manner`; without any it takes all with 204."""
        answer = send(f"{self._provider_url}/receiver-control/{name}", "PUT", manner, {}, 5)
        assert answer.status == 200, answer.body.decode()

    def posted(self, name: str) -> list[Posted]:
        found: list[Posted] = send(f"{self._provider_url}/receiver-control/{name}", "GET", None, {}, 5).json()
        return found

    def ids(self, name: str) -> list[str]:
        """The `webhook-id` of each request, in the order in which they came."""
        return [posted["headers"]["webhook-id"] for posted in self.posted(name)]

    def types(self, name: str) -> list[str]:
        """The types of the notices, without what they all begin with."""
        return [json.loads(posted["body"])["type"].removeprefix("longhaul.task.") for posted in self.posted(name)]

    def reset(self) -> None:
        send(f"{self._provider_url}/receiver-control", "DELETE", None, {}, 5)


def verified(posted: Posted, secret: str) -> dict[str, Any]:
    """The notice in a request whose signature this secret makes. Raises WebhookVerificationError for any other."""
    notice: dict[str, Any] = Webhook(secret).verify(posted["body"], posted["headers"])
    return notice
