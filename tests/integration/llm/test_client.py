"""The LLM client against the stand-in over HTTP: what it retries, what it repairs, what it gives up."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import BaseModel

from longhaul.errors import BadAnswer, ProviderThrottled, ProviderUnavailable
from longhaul.llm import usage, wire
from longhaul.llm.client import Client
from longhaul.settings import Model
from tests.chatting import API_KEY, StandIn, question

PROMPT = question(ask="cities", province="640000")
NINGXIA = ["银川市", "石嘴山市", "吴忠市", "固原市", "中卫市"]


class Named(BaseModel):
    code: str
    name: str


class Cities(BaseModel):
    cities: list[Named]


type MakeClient = Callable[..., Client]


@pytest.fixture
def waits() -> list[float]:
    """The seconds the client would have slept."""
    return []


@pytest.fixture
def make_client(stand_in: StandIn, waits: list[float]) -> Iterator[MakeClient]:
    made: list[Client] = []

    def make(**changes: Any) -> Client:
        values: dict[str, Any] = {
            "model": model_at(stand_in.base_url),
            "read_key": lambda: API_KEY,
            "read_seconds": 5,
            "sleep": waits.append,
            "jitter": lambda: 0.5,
        }
        made.append(Client(**values | changes))
        return made[-1]

    yield make
    for client in made:
        client.close()


def model_at(url: str) -> Model:
    return Model(name="m", base_url=url, model="stand-in", secret_arn="of-no-use")


def test_the_answer_has_the_shape_that_was_asked_for(make_client: MakeClient, waits: list[float]) -> None:
    answer = make_client().consult(PROMPT, Cities, system="只输出 JSON。").answer
    assert [city.name for city in answer.cities] == NINGXIA
    assert answer.cities[0].code == "640100"
    assert waits == []


@pytest.mark.parametrize(
    ("script", "waited"),
    [
        (["429"], [1.25]),  # what Retry-After says, and the back-off
        (["500"], [0.25]),
        (["drop"], [0.25]),
        (["500", "drop", "500"], [0.25, 0.5, 1.0]),
    ],
)
def test_what_passes_is_tried_again(
    make_client: MakeClient, stand_in: StandIn, waits: list[float], script: list[str], waited: list[float]
) -> None:
    stand_in.control(script=script)
    assert [city.name for city in make_client().consult(PROMPT, Cities).answer.cities] == NINGXIA
    assert waits == waited
    assert stand_in.calls("cities", "640000")["count"] == len(script) + 1


@pytest.mark.parametrize(
    ("fault", "error"), [("429", ProviderThrottled), ("500", ProviderUnavailable), ("drop", ProviderUnavailable)]
)
def test_four_requests_are_enough(
    make_client: MakeClient, stand_in: StandIn, fault: str, error: type[Exception]
) -> None:
    stand_in.control(fail_keys={"640000": fault})
    with pytest.raises(error):
        make_client().consult(PROMPT, Cities)
    assert stand_in.calls("cities", "640000")["by_outcome"] == {fault: 4}


def test_a_held_answer_is_given_up(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(script=["timeout"])
    assert make_client(read_seconds=0.3).consult(PROMPT, Cities).answer.cities
    assert stand_in.calls()["by_outcome"] == {"timeout": 1, "ok": 1}


@pytest.mark.parametrize("fault", ["broken_json", "wrong_schema"])
def test_a_broken_answer_is_repaired_once(make_client: MakeClient, stand_in: StandIn, fault: str) -> None:
    stand_in.control(script=[fault])
    assert len(make_client().consult(PROMPT, Cities).answer.cities) == 5
    assert stand_in.calls()["by_outcome"] == {fault: 1, "ok": 1}


@pytest.mark.parametrize("fault", ["broken_json", "wrong_schema"])
def test_an_answer_broken_twice_is_a_bad_answer(make_client: MakeClient, stand_in: StandIn, fault: str) -> None:
    stand_in.control(fail_keys={"640000": fault})
    with pytest.raises(BadAnswer, match="not a Cities"):
        make_client().consult(PROMPT, Cities)
    assert stand_in.calls()["by_outcome"] == {fault: 2}


def test_retries_and_repair_share_the_four_requests(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(script=["500", "500", "wrong_schema", "500", "ok"])
    with pytest.raises(ProviderUnavailable):
        make_client().consult(PROMPT, Cities)
    assert stand_in.calls()["count"] == 4


def test_nobody_is_there(make_client: MakeClient) -> None:
    with pytest.raises(ProviderUnavailable, match="does not answer"):
        make_client(model=model_at("http://127.0.0.1:1/v1")).consult(PROMPT, Cities)


def test_a_rotated_key_is_read_again(make_client: MakeClient) -> None:
    keys = iter(["an-old-key", API_KEY])
    assert make_client(read_key=lambda: next(keys)).consult(PROMPT, Cities).answer.cities


def test_a_wrong_key_is_not_tried_for_ever(make_client: MakeClient, stand_in: StandIn) -> None:
    with pytest.raises(BadAnswer, match="401"):
        make_client(read_key=lambda: "wrong").consult(PROMPT, Cities)
    assert stand_in.calls()["count"] == 0


@pytest.mark.parametrize(
    ("headers", "retry_after"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"}, pytest.approx(3.07e10, rel=0.2)),
    ],
)
def test_a_long_retry_after_is_left_to_the_workflow(
    make_client: MakeClient, waits: list[float], headers: dict[str, str], retry_after: float
) -> None:
    with (
        answering(429, headers) as url,
        pytest.raises(ProviderThrottled) as raised,
    ):
        make_client(model=model_at(url)).consult(PROMPT, Cities)
    assert raised.value.retry_after == retry_after
    assert waits == []


@pytest.mark.parametrize("body", [b"<html>gateway</html>", b"{}", b'{"choices": []}', b"[1]"])
def test_what_is_no_completion_is_a_provider_out_of_order(make_client: MakeClient, body: bytes) -> None:
    with answering(200, {}, body) as url, pytest.raises(ProviderUnavailable, match="not a chat completion"):
        make_client(model=model_at(url)).consult(PROMPT, Cities)


def test_requests_share_a_connection(make_client: MakeClient, stand_in: StandIn) -> None:
    client = make_client()
    for _ in range(3):
        client.consult(PROMPT, Cities)
    assert client._endpoint._pool.connection_from_url(stand_in.base_url).num_connections == 1


def test_an_answer_that_trickles_is_given_up(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0.1)
    started = time.monotonic()
    with (
        answering(200, {}, b" " * 40, pause=0.05) as url,
        pytest.raises(ProviderUnavailable, match="takes too long"),
    ):
        make_client(model=model_at(url), read_seconds=0.2).consult(PROMPT, Cities)
    assert time.monotonic() - started < 4 * 1


@pytest.mark.parametrize(("status", "error"), [(500, ProviderUnavailable), (429, ProviderThrottled), (400, BadAnswer)])
def test_a_refusal_is_one_however_long_it_is(make_client: MakeClient, status: int, error: type[Exception]) -> None:
    with answering(status, {}, b" " * 2_000_000) as url, pytest.raises(error, match=r"400|500|slow down"):
        make_client(model=model_at(url)).consult(PROMPT, Cities)


def test_an_empty_answer_is_none(make_client: MakeClient) -> None:
    body = b'{"choices": [{"message": {"content": null}}], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}'
    with answering(200, {}, body) as url, pytest.raises(BadAnswer, match="empty") as raised:
        make_client(model=model_at(url)).chat(PROMPT)
    spent = usage.spent(raised.value)
    assert spent is not None
    assert (spent.prompt_tokens, spent.estimated) == (9, False)


def test_tokens_that_nobody_counted_are_estimated(make_client: MakeClient) -> None:
    body = json.dumps({"choices": [{"message": {"content": "好的。"}}]}).encode()
    with answering(200, {}, body) as url:
        reply = make_client(model=model_at(url)).chat("你好", system="简短")
    assert reply.answer == "好的。"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.estimated) == (4, 3, True)


def test_a_prompt_may_hold_half_a_character(make_client: MakeClient, stand_in: StandIn) -> None:
    assert make_client().consult(f"\ud83d\n{PROMPT}", Cities).answer.cities
    assert stand_in.calls()["count"] == 1


def test_the_key_goes_nowhere_else(make_client: MakeClient) -> None:
    with answering(302, {"Location": "http://127.0.0.1:1/elsewhere"}) as url, pytest.raises(BadAnswer, match="302"):
        make_client(model=model_at(url)).consult(PROMPT, Cities)


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes = b"{}", *, pause: float = 0.0) -> Iterator[str]:
    """A server with one answer to everything, a byte each `pause` seconds if there is one; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client may have gone
                for piece in [body[i : i + 1] for i in range(len(body))] if pause else [body]:
                    self.wfile.write(piece)
                    time.sleep(pause)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
