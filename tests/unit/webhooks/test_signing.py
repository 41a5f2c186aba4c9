"""Signatures, verified by the package `standardwebhooks`, which is none of ours."""

import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks.signing import headers, new_secret

ID = "msg_0123456789abcdef0123456789abcdef"
BODY = '{"type":"longhaul.task.succeeded","data":{"title":"广东省刷新"}}'.encode()


def test_a_receiver_verifies_what_was_signed() -> None:
    secret = new_secret()
    signed = headers(ID, int(time.time()), BODY, [secret])
    assert Webhook(secret).verify(BODY, signed) == json.loads(BODY)
    assert signed["webhook-id"] == ID


def test_after_a_rotation_either_secret_verifies() -> None:
    former, secret = new_secret(), new_secret()
    signed = headers(ID, int(time.time()), BODY, [secret, former])
    for known in (secret, former):
        Webhook(known).verify(BODY, signed)
    assert signed["webhook-signature"].count("v1,") == 2


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"webhook-id": "msg_other"}, BODY),
        ({"webhook-timestamp": str(int(time.time()) - 7)}, BODY),
        ({}, BODY + b" "),
    ],
)
def test_id_time_and_body_are_all_signed(changes: dict[str, str], body: bytes) -> None:
    secret = new_secret()
    signed = headers(ID, int(time.time()), BODY, [secret])
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, signed | changes)


def test_another_secret_does_not_verify() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers(ID, int(time.time()), BODY, [new_secret()]))


def test_secrets_have_32_random_bytes_in_the_form_of_the_specification() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(Webhook(first)._whsecret) == 32
