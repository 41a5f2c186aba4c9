"""`python -m local.providers`, as the local stack starts it: the protocol, the key, the control over HTTP."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

KEY = {"Authorization": "Bearer a-key"}
QUESTION = '请回答：\n{"ask": "districts", "city": "440300"}'


@pytest.fixture(scope="module")
def http() -> Iterator[urllib3.PoolManager]:
    pool = urllib3.PoolManager(retries=False)
    yield pool
    pool.clear()


@pytest.fixture(scope="module")
def url(http: urllib3.PoolManager) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "local.providers", "--port", str(port), "--key", "a-key"])
    try:
        yield _ready(http, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        assert process.wait(10) == 0


def _ready(http: urllib3.PoolManager, url: str) -> str:
    deadline = time.monotonic() + 20
    while True:
        try:
            assert http.request("GET", f"{url}/health").json() == {"status": "ok"}
        except urllib3.exceptions.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return url


def complete(http: urllib3.PoolManager, url: str, content: str, **headers: str) -> Any:
    body = {"model": "any-model", "messages": [{"role": "user", "content": content}]}
    return http.request("POST", f"{url}/v1/chat/completions", json=body, headers=headers or KEY)


def test_a_completion_says_that_its_data_is_made_up(http: urllib3.PoolManager, url: str) -> None:
    answer = complete(http, url, QUESTION).json()
    assert "hospitals" in answer["longhaul_note"]
    assert (answer["object"], answer["model"]) == ("chat.completion", "any-model")
    assert "福田区" in answer["choices"][0]["message"]["content"]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer other"}, {"Authorization": "Basic a-key"}, {"X": "y"}])
def test_without_the_key_nothing_is_said(http: urllib3.PoolManager, url: str, headers: dict[str, str]) -> None:
    assert complete(http, url, QUESTION, **headers).status == 401
    assert http.request("GET", f"{url}/v1/models", headers=headers).status == 401
    assert http.request("GET", f"{url}/v1/models", headers=KEY).json()["data"][0]["object"] == "model"


@pytest.mark.parametrize("body", [b"{", b"{}", b"[]", b'{"model": "m", "messages": [1]}'])
def test_what_is_no_request_is_a_400(http: urllib3.PoolManager, url: str, body: bytes) -> None:
    assert http.request("POST", f"{url}/v1/chat/completions", body=body, headers=KEY).status == 400
    assert complete(http, url, '{"ask": "hospitals", "district": "440103"}').status == 400


def test_control_is_set_shown_refused_and_reset(http: urllib3.PoolManager, url: str) -> None:
    control = f"{url}/control"
    assert http.request("PUT", control, json={"fail_keys": ["440300"], "latency_ms": 1}).status == 200
    assert http.request("GET", control).json()["fail_keys"] == ["440300"]
    assert complete(http, url, QUESTION).status == 500
    assert http.request("PUT", control, json={"rates": {"429": 2}}).status == 422
    assert http.request("DELETE", control).json()["fail_keys"] == []
    assert complete(http, url, QUESTION).status == 200


def test_a_throttled_answer_says_when_to_come_back(http: urllib3.PoolManager, url: str) -> None:
    http.request("PUT", f"{url}/control", json={"script": ["429"], "latency_ms": 0})
    assert complete(http, url, QUESTION).headers["Retry-After"] == "1"


def test_calls_are_counted_until_they_are_forgotten(http: urllib3.PoolManager, url: str) -> None:
    assert http.request("DELETE", f"{url}/calls").status == 204
    complete(http, url, QUESTION)
    report = http.request("GET", f"{url}/calls", fields={"ask": "districts", "key": "440300"}).json()
    assert (report["count"], report["calls"][0]["outcome"]) == (1, "ok")
    assert http.request("GET", f"{url}/calls", fields={"key": "440100"}).json()["count"] == 0
