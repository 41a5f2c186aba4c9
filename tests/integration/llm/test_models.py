"""Models asked by name: what they answer, what that took, who is left alone, and what nobody reads in a log."""

import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from local.providers.llm.models import BY_NAME, opinion, prose
from longhaul import aws, llm, settings
from longhaul.errors import AnswerCut, BadAnswer, LonghaulError, ProviderThrottled, ProviderUnavailable
from longhaul.llm import dialects
from longhaul.llm.dialects import Dialect, SharedDialects
from longhaul.observability import logger, metrics
from tests.chatting import API_KEY, StandIn, question
from tests.integration import ageing

ASKED = "哪个牌子的扫地机器人好？"
PROMPT = question(ask="question", question=ASKED, language="zh")
MOST = 2_000_000  # tokens
MILLION = 1_000_000
CALLERS = int(os.environ.get("MODEL_CALLERS", "60"))  # the full measure: 200


class Reading(BaseModel):
    named: bool
    rank: int | None
    sentiment: float | None
    competitors: list[str]
    sources: list[str]


def reading_of(answer: str) -> str:
    return question(ask="extraction", brand="星野", competitors=["Lumo"], answer=answer)


def test_each_model_gives_its_own_answer_to_its_own_key(models: StandIn) -> None:
    for model in llm.models():
        answer = llm.chat(model, PROMPT, max_tokens=MOST).answer
        assert answer == prose(opinion(model.name, ASKED), "zh")
    assert models.calls()["by_model"] == dict.fromkeys(BY_NAME, 1)


def test_what_is_read_is_what_was_meant(models: StandIn) -> None:
    model = llm.model_named("deepseek")
    told = opinion("deepseek", ASKED)
    said = llm.chat(model, PROMPT, max_tokens=MOST).answer
    reading = llm.consult(model, reading_of(said), Reading, max_tokens=MOST).answer
    brand = told.of("星野")
    assert brand is not None
    assert (reading.named, reading.rank, reading.sentiment) == (True, brand.rank, brand.sentiment)
    assert reading.competitors == [one.brand for one in told.mentions if one.brand != "星野"]
    assert tuple(reading.sources) == told.sources


def test_tokens_and_money_are_counted_to_the_last(models: StandIn) -> None:
    model = llm.model_named("kimi")
    reply = llm.chat(model, PROMPT, system="简短。", max_tokens=MOST)
    asked, said = len(PROMPT) + len("简短。"), len(reply.answer)
    assert reply.usage == llm.Usage(
        model="kimi",
        requests=1,
        prompt_tokens=asked,
        completion_tokens=said,
        cost=(asked * Decimal(4) + said * Decimal(16)) / MILLION,
        seconds=reply.usage.seconds,
    )
    assert 0 < reply.usage.seconds < 5


def test_the_repair_and_the_answer_thrown_away_are_paid_for(models: StandIn) -> None:
    model, prompt = llm.model_named("qwen"), reading_of("没有。")
    once = llm.consult(model, prompt, Reading, max_tokens=MOST).usage
    models.control(models={"qwen": {"latency_ms": 0, "script": ["500", "wrong_schema"]}})
    repaired = llm.consult(model, prompt, Reading, max_tokens=MOST).usage
    assert repaired.requests == 3
    assert repaired.prompt_tokens > 2 * once.prompt_tokens
    assert repaired.completion_tokens == once.completion_tokens + len('{"answer": "抱歉，我不知道。"}')
    models.control(models={"qwen": {"latency_ms": 0, "rates": {"broken_json": 1}}})
    with pytest.raises(BadAnswer) as raised:
        llm.consult(model, prompt, Reading, max_tokens=MOST)
    spent = llm.spent(raised.value)
    assert spent is not None
    assert spent.requests == 2
    assert spent.cost == (spent.prompt_tokens * Decimal("0.8") + spent.completion_tokens * Decimal(2)) / MILLION > 0


def test_a_very_long_wrong_answer_is_not_paid_for_twice(models: StandIn) -> None:
    models.control(brands=["长" * 90_000], models={"deepseek": {"latency_ms": 0}})
    asked = next(q for q in (f"问题 {n}" for n in range(99)) if opinion("deepseek", q, ["长" * 90_000]).mentions)
    with pytest.raises(BadAnswer) as raised:
        llm.consult(llm.model_named("deepseek"), question(ask="question", question=asked), Reading, max_tokens=MOST)
    spent = llm.spent(raised.value)
    assert spent is not None
    assert spent.completion_tokens > 180_000
    assert 20_000 < spent.prompt_tokens < 21_000


def test_what_never_answered_has_no_tokens(models: StandIn) -> None:
    models.control(models={"qwen": {"latency_ms": 0, "rates": {"500": 1}}})
    with pytest.raises(ProviderUnavailable) as raised:
        llm.chat(llm.model_named("qwen"), PROMPT, max_tokens=MOST)
    spent = llm.spent(raised.value)
    assert spent is not None
    assert (spent.requests, spent.prompt_tokens, spent.cost) == (4, 0, Decimal(0))
    assert llm.spent(ValueError("of something else")) is None


def test_an_answer_ends_where_it_must_and_is_none_then(models: StandIn) -> None:
    with pytest.raises(AnswerCut) as raised:
        llm.chat(llm.model_named("deepseek"), PROMPT, max_tokens=7)
    spent = llm.spent(raised.value)
    assert spent is not None
    assert spent.completion_tokens == 7


def another_environment() -> None:
    """Forgets what this one knows of its models."""
    llm._client.cache_clear()


def ask_deepseek() -> None:
    llm.consult(llm.model_named("deepseek"), reading_of("没有。"), Reading, max_tokens=MOST)


REFUSING = {"deepseek": {"latency_ms": 0, "refuses": ["json_schema", "temperature"]}}


def test_what_one_environment_finds_out_all_others_know(models: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN an endpoint that refuses a schema and a temperature, as one environment has found out
    models.control(models=REFUSING)
    ask_deepseek()
    refused = {"refused json_schema": 1, "refused temperature": 1}
    assert models.calls()["by_outcome"] == {"ok": 1} | refused

    # WHEN two others ask, THEN nothing is refused any more
    for asked in (2, 3):
        another_environment()
        ask_deepseek()
        assert models.calls()["by_outcome"] == {"ok": asked} | refused

    # WHEN the knowledge has grown old, THEN the endpoint is asked anew
    another_environment()
    later = time.time() + dialects.KEPT_SECONDS + 1
    monkeypatch.setattr(dialects.time, "time", lambda: later)
    ask_deepseek()
    assert models.calls()["by_outcome"] == {"ok": 4} | dict.fromkeys(refused, 2)


def test_each_part_that_is_found_out_is_kept_beside_the_others(models: StandIn) -> None:
    """Two environments that found out different things do not undo each other's."""
    name = llm._name_at_endpoint(llm.model_named("deepseek"))
    one, other = SharedDialects(name), SharedDialects(name)
    assert one.recall() == other.recall() == Dialect()
    one.keep(Dialect(), Dialect(temperature=False))
    other.keep(Dialect(), Dialect("json_object"))
    assert SharedDialects(name).recall() == Dialect("json_object", temperature=False)
    assert SharedDialects(name, "json_schema").recall() == Dialect("json_schema", temperature=False), "as configured"


def test_without_dynamodb_it_is_found_out_again(
    models: StandIn, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    models.control(models=REFUSING)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    aws._client.cache_clear()
    try:
        for asked in (1, 1, 2):
            ask_deepseek()
            assert models.calls()["by_outcome"]["refused json_schema"] == asked
            if models.calls()["by_outcome"]["ok"] == 2:
                another_environment()
    finally:
        aws._client.cache_clear()
    assert {"dialect not read", "dialect not written"} <= set(warnings)


def test_a_format_of_ai_models_is_kept_to(configure: Callable[..., None], stand_in: StandIn) -> None:
    configure(response_format="none")
    stand_in.control(models=REFUSING)
    ask_deepseek()
    assert stand_in.calls()["by_outcome"] == {"ok": 1, "refused temperature": 1}


def test_metrics_are_told_by_model(models: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    models.control(models={"kimi": {"latency_ms": 0, "script": ["500"]}})
    usage = llm.chat(llm.model_named("kimi"), PROMPT, max_tokens=MOST).usage
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"CloudWatchMetrics"' in line]
    assert {(line["service"], line["model"]) for line in told} == {("longhaul", "kimi")}
    figures = {name: value for line in told for name, value in line.items()}
    assert figures["LlmFailures"] == figures["LlmAnswers"] == [1.0]
    assert figures["LlmPromptTokens"] == [usage.prompt_tokens]
    assert figures["LlmCost"] == [pytest.approx(float(usage.cost))]


@pytest.mark.parametrize(("bytes_", "fits"), [(100_000, True), (1_500_000, False)])
@pytest.mark.parametrize("ask", ["text", "json"])
def test_long_answers_are_read_up_to_a_megabyte(models: StandIn, bytes_: int, fits: bool, ask: str) -> None:
    models.control(models={"qwen": {"latency_ms": 0, "rates": {"long": 1}, "long_bytes": bytes_}})
    model = llm.model_named("qwen")

    def consult() -> None:
        if ask == "text":
            assert len(llm.chat(model, PROMPT, max_tokens=MOST).answer.encode()) >= bytes_
        else:
            llm.consult(model, reading_of("没有。"), Reading, max_tokens=MOST)

    if fits:
        consult()
        return
    with pytest.raises(BadAnswer, match="more than 1048576 bytes"):
        consult()


def test_there_is_no_such_model(models: StandIn) -> None:
    with pytest.raises(llm.UnknownModel, match=r"'gpt'; there are: deepseek, qwen, doubao, kimi\."):
        llm.model_named("gpt")


def test_without_a_list_there_is_the_deployments_own(models: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_MODELS", "[]")
    settings.of.cache_clear()
    [model] = llm.models()
    assert model == llm.default_model() == llm.model_named(model.name)
    assert (model.model, model.name) == (os.environ["LLM_MODEL"], os.environ["LLM_MODEL"].replace("/", "-"))


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        ('[{"name": "a b", "base_url": "http://x", "model": "m", "secret_arn": "a"}]', "AI_MODELS"),
        ('[{"name": "a", "base_url": "x", "model": "m", "secret_arn": "a"}]', "AI_MODELS"),
        ('[{"name": "a", "base_url": "http://x", "model": "m", "secret_arn": "a", "prompt_price": -1}]', "AI_MODELS"),
        (f"[{', '.join(['{"name": "a", "base_url": "http://x", "model": "m", "secret_arn": "a"}'] * 2)}]", "same name"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused_at_start(
    models: StandIn, monkeypatch: pytest.MonkeyPatch, listed: str, complaint: str
) -> None:
    monkeypatch.setenv("AI_MODELS", listed)
    settings.of.cache_clear()
    with pytest.raises(settings.SettingsError, match=complaint):
        settings.require(settings.Models)


@pytest.mark.parametrize("fault", ["drop", "500", "429"])
def test_a_model_that_is_down_is_asked_five_times_and_left_alone(
    configure: Callable[..., None], stand_in: StandIn, fault: str
) -> None:
    configure(max_concurrent=10)
    stand_in.control(models={"kimi": {"latency_ms": 20, "rates": {fault: 1}}})
    kimi = llm.model_named("kimi")
    assert llm.open_until(kimi) is None

    def ask(_: int) -> str:
        with pytest.raises((ProviderUnavailable, ProviderThrottled)) as raised:
            llm.chat(kimi, PROMPT, max_tokens=MOST)
        return str(raised.value)

    with ThreadPoolExecutor(20) as pool:
        reasons = list(pool.map(ask, range(20)))
    assert stand_in.calls(model="kimi")["by_outcome"] == {fault: 5}, "by twenty callers at once, four tries each"
    assert sum("left alone" in reason for reason in reasons) >= 15
    until = llm.open_until(kimi)
    assert until is not None
    assert 20 < (until - datetime.now(UTC)).total_seconds() <= 30
    assert metrics.metric_set["CircuitOpened"]["Value"] == [1.0]
    assert llm.chat(llm.model_named("qwen"), PROMPT, max_tokens=MOST).answer


def test_one_caller_tries_a_model_that_was_left_alone(models: StandIn) -> None:
    kimi = llm.model_named("kimi")
    provider = llm._name_at_endpoint(kimi)
    models.control(models={"kimi": {"latency_ms": 0, "rates": {"500": 1}}})
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            llm.chat(kimi, PROMPT, max_tokens=MOST)
    assert models.calls(model="kimi")["count"] == 5
    ageing.end_rest(provider)
    assert llm.open_until(kimi) is None
    with pytest.raises(ProviderUnavailable, match="left alone"):
        llm.chat(kimi, PROMPT, max_tokens=MOST)
    assert models.calls(model="kimi")["count"] == 6, "one try, which failed"
    ageing.end_rest(provider)
    models.control(models={"kimi": {"latency_ms": 200}})
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: llm.chat(kimi, PROMPT, max_tokens=MOST).answer, range(3)))
    assert len(answers) == 3
    assert llm.open_until(kimi) is None


def test_a_bad_answer_ends_a_row_of_failures(models: StandIn) -> None:
    kimi = llm.model_named("kimi")
    for script in (["500"] * 4, ["wrong_schema"] * 2, ["500"] * 4):
        models.control(models={"kimi": {"latency_ms": 0, "script": script}})
        with pytest.raises(LonghaulError):
            llm.consult(kimi, reading_of("没有。"), Reading, max_tokens=MOST)
    assert models.calls(model="kimi")["count"] == 10
    assert llm.open_until(kimi) is None, "no five in a row"
    models.control(models={"kimi": {"latency_ms": 0, "rates": {"500": 1}}})
    with pytest.raises(ProviderUnavailable):
        llm.chat(kimi, PROMPT, max_tokens=MOST)
    assert models.calls(model="kimi")["count"] == 11
    assert llm.open_until(kimi) is not None


def test_with_many_callers_at_once_the_limit_is_kept(configure: Callable[..., None], stand_in: StandIn) -> None:
    configure(max_concurrent=20)
    stand_in.control(models={"doubao": {"latency_ms": 100}})
    doubao, answered = llm.model_named("doubao"), 0
    lock = threading.Lock()

    def ask(_: int) -> None:
        nonlocal answered
        while True:
            try:
                llm.chat(doubao, PROMPT, max_tokens=MOST)
            except ProviderThrottled:  # the workflow asks again
                time.sleep(random.random())
                continue
            with lock:
                answered += 1
            return

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(ask, range(CALLERS)))
    assert answered == stand_in.calls(model="doubao")["count"] == CALLERS
    assert 1 < stand_in.calls()["most_at_once"]["doubao"] <= 20


SECRETS = ("13800138000", "王小明", "秘密配方", API_KEY, "抱歉", "星野")


@pytest.mark.parametrize(
    "fault", ["ok", "500", "429", "drop", "broken_json", "wrong_schema", "off_topic", "cut", "html", "refused", "401"]
)
def test_no_key_no_prompt_and_no_answer_is_ever_logged(
    models: StandIn, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(logger.handlers[0], "emit", lambda record: lines.append(logger.handlers[0].format(record)))
    logger.setLevel(logging.DEBUG)
    model = llm.model_named("deepseek")
    if fault == "401":
        model = model.model_copy(update={"base_url": model.base_url.replace("deepseek", "kimi")})
    elif fault == "refused":
        model = model.model_copy(update={"response_format": "json_schema"})
        models.control(models=REFUSING)
    elif fault != "ok":
        models.control(models={"deepseek": {"latency_ms": 0, "rates": {fault: 1}}})
    prompt, system = f"客户{SECRETS[0]}，电话 {SECRETS[1]}。\n" + reading_of("1. 星野：很好（+0.40）"), SECRETS[2]
    try:
        llm.consult(model, prompt, Reading, system=system, max_tokens=MOST)
        assert fault == "ok"
    except LonghaulError:
        assert fault != "ok"
        logger.exception("as a function's edge would log it")
    logger.setLevel(logging.INFO)
    told = "\n".join(lines) + capsys.readouterr().out
    assert "deepseek" in told
    assert [secret for secret in SECRETS if secret in told] == []


@pytest.mark.parametrize(
    "told", [None, {}, {"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": "7", "completion_tokens": True}]
)
def test_counts_that_are_none(told: Any) -> None:
    from longhaul.llm.usage import _tokens

    assert _tokens(told) is None
    assert _tokens({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}) == (3, 0)
