"""The LLM client against the stand-in over HTTP: what it retries, what it repairs, what it gives up."""

import json
import time
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import BaseModel

from local.providers.faults import Manner
from longhaul import lifetime
from longhaul.errors import AnswerCut, BadAnswer, LonghaulError, OutOfTime, ProviderThrottled, ProviderUnavailable
from longhaul.llm import endpoint, usage
from longhaul.llm.client import Client
from longhaul.llm.dialects import Dialect, Dialects
from longhaul.llm.endpoint import Garbled
from longhaul.settings import Model
from tests.chatting import API_KEY, StandIn, question

PROMPT = question(ask="cities", province="640000")
MOST = 200_000  # tokens; no answer here comes near it
NINGXIA = ["银川市", "石嘴山市", "吴忠市", "固原市", "中卫市"]


class Named(BaseModel):
    code: str
    name: str


class Cities(BaseModel):
    cities: list[Named]


class Role(BaseModel):
    identity: str
    talking_points: list[str]


class Summary(BaseModel):
    summary: str
    points: list[str]
    confidence: float


UNTAUGHT = "Summarise this text.\n\nThe tide rises twice a day. The moon pulls the sea."

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
    answer = make_client().consult(PROMPT, Cities, system="只输出 JSON。", max_tokens=MOST).answer
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
    assert [city.name for city in make_client().consult(PROMPT, Cities, max_tokens=MOST).answer.cities] == NINGXIA
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
        make_client().consult(PROMPT, Cities, max_tokens=MOST)
    assert stand_in.calls("cities", "640000")["by_outcome"] == {fault: 4}


@pytest.mark.parametrize("refused", [[], ["json_schema"], ["json_schema", "json_object"]])
def test_a_schema_that_nobody_taught_the_stand_in_is_answered_in_the_prompts_words(
    make_client: MakeClient, stand_in: StandIn, refused: list[str]
) -> None:
    stand_in.control(refuses=refused)
    answer = make_client().consult(UNTAUGHT, Summary, max_tokens=MOST).answer
    assert answer.summary == "The tide rises twice a day."
    assert 0 <= answer.confidence <= 1


def test_its_faults_come_to_such_an_answer_too(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(script=["wrong_schema", "broken_json"])
    with pytest.raises(BadAnswer):
        make_client().consult(UNTAUGHT, Summary, max_tokens=MOST)
    stand_in.control(script=["wrong_schema", "ok"])
    assert make_client().consult(UNTAUGHT, Summary, max_tokens=MOST).answer.points
    assert "The tide rises" in make_client().chat(UNTAUGHT, max_tokens=MOST).answer


def test_a_held_answer_is_given_up(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(script=["timeout"])
    assert make_client(read_seconds=0.3).consult(PROMPT, Cities, max_tokens=MOST).answer.cities
    assert stand_in.calls()["by_outcome"] == {"timeout": 1, "ok": 1}


@pytest.mark.parametrize("fault", ["broken_json", "wrong_schema"])
def test_a_broken_answer_is_repaired_once(make_client: MakeClient, stand_in: StandIn, fault: str) -> None:
    stand_in.control(script=[fault])
    assert len(make_client().consult(PROMPT, Cities, max_tokens=MOST).answer.cities) == 5
    assert stand_in.calls()["by_outcome"] == {fault: 1, "ok": 1}


@pytest.mark.parametrize("fault", ["broken_json", "wrong_schema"])
def test_an_answer_broken_twice_is_a_bad_answer(make_client: MakeClient, stand_in: StandIn, fault: str) -> None:
    stand_in.control(fail_keys={"640000": fault})
    with pytest.raises(BadAnswer, match="not a Cities"):
        make_client().consult(PROMPT, Cities, max_tokens=MOST)
    assert stand_in.calls()["by_outcome"] == {fault: 2}


def test_retries_and_repair_share_the_four_requests(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(script=["500", "500", "wrong_schema", "500", "ok"])
    with pytest.raises(ProviderUnavailable):
        make_client().consult(PROMPT, Cities, max_tokens=MOST)
    assert stand_in.calls()["count"] == 4


def test_nobody_is_there(make_client: MakeClient) -> None:
    with pytest.raises(ProviderUnavailable, match="does not answer"):
        make_client(model=model_at("http://127.0.0.1:1/v1")).consult(PROMPT, Cities, max_tokens=MOST)


def test_a_rotated_key_is_read_again(make_client: MakeClient) -> None:
    keys = iter(["an-old-key", API_KEY])
    assert make_client(read_key=lambda: next(keys)).consult(PROMPT, Cities, max_tokens=MOST).answer.cities


def test_a_wrong_key_is_not_tried_for_ever(make_client: MakeClient, stand_in: StandIn) -> None:
    with pytest.raises(BadAnswer, match="401"):
        make_client(read_key=lambda: "wrong").consult(PROMPT, Cities, max_tokens=MOST)
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
        make_client(model=model_at(url)).consult(PROMPT, Cities, max_tokens=MOST)
    assert raised.value.retry_after == retry_after
    assert waits == []


@pytest.mark.parametrize("body", [b"<html>gateway</html>", b"{}", b'{"choices": []}', b"[1]", "好".encode("gbk")])
def test_what_is_no_completion_is_a_bad_answer(make_client: MakeClient, body: bytes) -> None:
    with answering(200, {}, body) as url, pytest.raises(BadAnswer, match="not a chat completion"):
        make_client(model=model_at(url)).consult(PROMPT, Cities, max_tokens=MOST)


@pytest.mark.parametrize("manner", typing.get_args(Manner.__value__))
@pytest.mark.parametrize("refused", [["json_schema"], ["json_schema", "json_object"]], ids=len)
def test_a_form_that_the_endpoint_refuses_is_found_out_once(
    make_client: MakeClient, stand_in: StandIn, waits: list[float], manner: str, refused: list[str]
) -> None:
    # GIVEN an endpoint that refuses to be asked for JSON by a schema, or at all
    stand_in.control(refuses=refused, manner=manner)
    client = make_client()

    # WHEN it is consulted twice
    for _ in range(2):
        answer = client.consult(PROMPT, Cities, system="只输出 JSON。", max_tokens=MOST).answer

        # THEN it answers
        assert [city.name for city in answer.cities] == NINGXIA

    # AND each form was refused once, at once
    assert stand_in.calls()["by_outcome"] == {"ok": 2} | {f"refused {part}": 1 for part in refused}
    assert waits == []


def test_a_schema_that_goes_with_the_prompt_is_kept(make_client: MakeClient, stand_in: StandIn) -> None:
    class Odd(BaseModel):
        identity: list[str]  # the stand-in's own is a text
        tone: int

    stand_in.control(refuses=["json_schema", "json_object"])
    role = question(ask="role", task_id="T-1", company="晨光")
    answer = make_client().consult(role, Odd, max_tokens=MOST).answer
    assert answer.identity == ["你是晨光。"]


def test_a_temperature_and_a_limit_that_are_refused_are_left_out_and_renamed(
    make_client: MakeClient, stand_in: StandIn
) -> None:
    stand_in.control(refuses=["temperature", "max_tokens", "json_schema"])
    client = make_client()
    for _ in range(2):
        with pytest.raises(AnswerCut):  # by the limit, whatever its name
            client.chat(PROMPT, max_tokens=4)
        assert client.consult(PROMPT, Cities, max_tokens=MOST).answer.cities
    assert stand_in.calls()["by_outcome"] == {
        "ok": 4,
        "refused temperature": 1,
        "refused max_tokens": 1,
        "refused json_schema": 1,
    }


def test_refused_forms_cost_none_of_the_four_requests(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(refuses=["json_schema", "json_object"], script=["500", "500", "500", "ok"])
    assert make_client().consult(PROMPT, Cities, max_tokens=MOST).answer.cities


@pytest.mark.parametrize(("configured", "outcomes"), [("json_object", {"ok": 1}), ("none", {"ok": 1})])
def test_a_form_that_is_configured_is_not_tried(
    make_client: MakeClient, stand_in: StandIn, configured: Any, outcomes: dict[str, int]
) -> None:
    stand_in.control(refuses=["json_schema"])
    client = make_client(dialects=Dialects(configured))
    assert client.consult(PROMPT, Cities, max_tokens=MOST).answer.cities
    assert stand_in.calls()["by_outcome"] == outcomes


def test_a_form_that_is_configured_and_refused_says_so(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(refuses=["json_schema"])
    with pytest.raises(BadAnswer, match="refused the request with 400, naming response_format"):
        make_client(dialects=Dialects("json_schema")).consult(PROMPT, Cities, max_tokens=MOST)
    assert stand_in.calls()["count"] == 1


@pytest.mark.parametrize(
    ("body", "requests"),
    [
        (b'{"error": {"message": "Model Not Exist"}}', 1),
        (b'{"detail": [{"input": "... response_format json_schema temperature ..."}]}', 4),  # quotes the request
    ],
)
def test_another_refusal_is_not_probed_for_ever(make_client: MakeClient, body: bytes, requests: int) -> None:
    dialects = Dialects()
    with answering(400, {}, body) as url, pytest.raises(BadAnswer, match="400") as raised:
        make_client(model=model_at(url), dialects=dialects).consult(PROMPT, Cities, max_tokens=MOST)
    spent = usage.spent(raised.value)
    assert spent is not None
    assert spent.requests == requests
    assert dialects.recall() == Dialect(), "nothing was learned from what was never answered"


@pytest.mark.parametrize("dress", ["fenced", "chatty", "thinking", "bom", "parts"])
def test_an_answer_is_found_in_what_a_model_writes_around_it(
    make_client: MakeClient, stand_in: StandIn, dress: str
) -> None:
    stand_in.control(script=[dress])
    answer = make_client().consult(PROMPT, Cities, max_tokens=MOST).answer
    assert [city.name for city in answer.cities] == NINGXIA
    assert stand_in.calls()["by_outcome"] == {dress: 1}


@pytest.mark.parametrize(
    ("fault", "requests", "error"),
    [
        ("cut", 2, AnswerCut),
        ("empty", 2, BadAnswer),
        ("tool_calls", 2, BadAnswer),
        ("no_choices", 2, BadAnswer),
        ("html", 2, BadAnswer),
        ("gbk", 2, BadAnswer),
        ("filtered", 1, BadAnswer),
        ("withheld", 1, BadAnswer),
        ("error_200", 4, ProviderUnavailable),
    ],
)
def test_what_is_no_answer_is_never_taken_for_one(
    make_client: MakeClient, stand_in: StandIn, fault: str, requests: int, error: type[Exception]
) -> None:
    # GIVEN a model that does so once: another request brings the answer, unless it would do so again
    stand_in.control(script=[fault])
    if requests > 1:
        assert make_client().consult(PROMPT, Cities, max_tokens=MOST).answer.cities
        assert stand_in.calls()["by_outcome"] == {fault: 1, "ok": 1}

    # GIVEN one that always does so, WHEN it is asked THEN there is an error, after so many requests
    stand_in.control(fail_keys={"640000": fault})
    stand_in.pool.request("DELETE", f"{stand_in.url}/calls")
    with pytest.raises(LonghaulError) as raised:
        make_client().consult(PROMPT, Cities, max_tokens=MOST)
    assert type(raised.value) in (error, Garbled if error is BadAnswer else error)
    assert stand_in.calls()["by_outcome"] == {fault: requests}


@pytest.mark.parametrize("fault", ["cut", "empty", "filtered", "withheld", "html", "tool_calls"])
def test_a_text_that_is_cut_or_none_is_no_answer(make_client: MakeClient, stand_in: StandIn, fault: str) -> None:
    stand_in.control(fail_keys={"640000": fault})
    with pytest.raises(BadAnswer) as raised:
        make_client().chat(PROMPT, max_tokens=MOST)
    assert isinstance(raised.value, AnswerCut) == (fault == "cut")


def test_a_cut_answer_is_not_sent_back_whole(make_client: MakeClient, stand_in: StandIn) -> None:
    stand_in.control(script=["cut"])
    role = question(ask="role", task_id="T-1", texts=["长" * 150] * 10)
    used = make_client().consult(role, Role, max_tokens=MOST).usage
    assert used.prompt_tokens < 2 * len(role) + 400


@pytest.mark.parametrize(("left", "requests"), [(20.2, 1), (19.9, 0)])
def test_no_request_is_begun_that_may_not_end_in_time(
    make_client: MakeClient, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, left: float, requests: int
) -> None:
    # GIVEN a call with so many seconds left: an answer may take 5, all around it 15, the wait for a second try 0.25
    monkeypatch.setattr(lifetime, "seconds_left", lambda: left)
    stand_in.control(fail_keys={"640000": "500"})

    # WHEN the model is asked, THEN once at most: the wait before the second try would pass the end
    with pytest.raises(ProviderUnavailable if requests else OutOfTime) as raised:
        make_client().consult(PROMPT, Cities, max_tokens=MOST)
    assert stand_in.calls()["count"] == requests
    spent = usage.spent(raised.value)
    assert spent is not None
    assert spent.requests == requests


def test_no_repair_is_begun_that_may_not_end_in_time(
    make_client: MakeClient, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([30.0, 19.0])
    monkeypatch.setattr(lifetime, "seconds_left", lambda: next(left))
    stand_in.control(fail_keys={"640000": "wrong_schema"})
    with pytest.raises(OutOfTime, match="m may take 20 s to answer, and 19 s are left"):
        make_client().consult(PROMPT, Cities, max_tokens=MOST)
    assert stand_in.calls()["count"] == 1


def test_requests_share_a_connection(make_client: MakeClient, stand_in: StandIn) -> None:
    client = make_client()
    for _ in range(3):
        client.consult(PROMPT, Cities, max_tokens=MOST)
    assert client._endpoint._pool.connection_from_url(stand_in.base_url).num_connections == 1


def test_an_answer_that_trickles_is_given_up(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "CONNECT_SECONDS", 0.1)
    started = time.monotonic()
    with (
        answering(200, {}, b" " * 40, pause=0.05) as url,
        pytest.raises(ProviderUnavailable, match="takes too long"),
    ):
        make_client(model=model_at(url), read_seconds=0.2).consult(PROMPT, Cities, max_tokens=MOST)
    assert time.monotonic() - started < 4 * 1


@pytest.mark.parametrize(("status", "error"), [(500, ProviderUnavailable), (429, ProviderThrottled), (400, BadAnswer)])
def test_a_refusal_is_one_however_long_it_is(make_client: MakeClient, status: int, error: type[Exception]) -> None:
    with answering(status, {}, b" " * 2_000_000) as url, pytest.raises(error, match=r"400|500|slow down"):
        make_client(model=model_at(url)).consult(PROMPT, Cities, max_tokens=MOST)


def test_an_empty_answer_is_none(make_client: MakeClient) -> None:
    body = b'{"choices": [{"message": {"content": null}}], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}'
    with answering(200, {}, body) as url, pytest.raises(BadAnswer, match="empty") as raised:
        make_client(model=model_at(url)).chat(PROMPT, max_tokens=MOST)
    spent = usage.spent(raised.value)
    assert spent is not None
    assert (spent.prompt_tokens, spent.estimated) == (9, False)


def test_tokens_that_nobody_counted_are_estimated(make_client: MakeClient) -> None:
    body = json.dumps({"choices": [{"message": {"content": "好的。"}}]}).encode()
    with answering(200, {}, body) as url:
        reply = make_client(model=model_at(url)).chat("你好", system="简短", max_tokens=MOST)
    assert reply.answer == "好的。"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.estimated) == (4, 3, True)


def test_a_prompt_may_hold_half_a_character(make_client: MakeClient, stand_in: StandIn) -> None:
    assert make_client().consult(f"\ud83d\n{PROMPT}", Cities, max_tokens=MOST).answer.cities
    assert stand_in.calls()["count"] == 1


def test_the_key_goes_nowhere_else(make_client: MakeClient) -> None:
    with answering(302, {"Location": "http://127.0.0.1:1/elsewhere"}) as url, pytest.raises(BadAnswer, match="302"):
        make_client(model=model_at(url)).consult(PROMPT, Cities, max_tokens=MOST)


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
