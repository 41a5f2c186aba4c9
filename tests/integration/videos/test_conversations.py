"""serve_conversations: the agent asks until the brief is whole, lists are one statement each, a reply comes once."""

import json
from typing import Any

import pytest

from longhaul import database, llm
from longhaul.idempotency import KeyedRequest
from tests import calling
from tests.chatting import StandIn
from tests.integration.videos.conftest import make
from videos import conversations
from videos.conversation_store import Message
from videos.conversations import CONTEXT_CHARACTERS, Exchange, context

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Asked = tuple[int, dict[str, Any], dict[str, str]]


def ask(method: str, path: str = "", body: Any = None, *, tenant: str = "test", query: str = "", **more: str) -> Asked:
    place = f"/api/v1/conversations{path}"
    return calling.ask("serve_conversations", method, place, body, domain="videos", tenant=tenant, query=query, **more)


def begin(title: str = "") -> str:
    status, answer, headers = ask("POST", body={"title": title})
    assert (status, headers["Location"]) == (201, f"/api/v1/conversations/{answer['conversation_id']}")
    return f"/{answer['conversation_id']}"


def say(place: str, content: str, **more: str) -> Asked:
    return ask("POST", f"{place}/messages", {"content": content}, **more)


def test_the_agent_asks_for_what_is_missing_and_suggests_a_task(model: StandIn) -> None:
    place = begin()
    status, first, _ = say(place, "A film about the tide, 20 s long")
    assert (status, first["message"]["position"], first["reply"]["author"]) == (201, 1, "agent")
    assert (first["missing"], first["suggested_task"]) == (["style", "aspect"], None)
    assert "style" in first["reply"]["content"]
    second = say(place, "style: ink, 9:16")[1]
    assert second["missing"] == []
    task = second["suggested_task"]
    assert (task["kind"], task["params"]["aspect"], task["params"]["seconds"]) == ("video_generation", "9:16", 20)
    # AND what it suggests can be made
    run = make(task["params"] | {"seconds": 5})
    assert run.status == "SUCCEEDED"
    assert "the tide" in run.task.title


def test_conversations_are_listed_with_their_last_messages_in_one_statement(statements: list[str]) -> None:
    places = [begin(f"title {number}") for number in range(3)]
    say(places[1], "About tides")
    statements.clear()
    status, page, _ = ask("GET", query="limit=2")
    assert (status, statements) == (200, ["list_conversations"])
    assert [one["title"] for one in page["items"]] == ["title 2", "title 1"]
    assert [one["messages"] for one in page["items"]] == [0, 2]
    assert page["items"][1]["last_message"]["author"] == "agent"
    rest = ask("GET", query=f"limit=2&cursor={page['next_cursor']}")[1]
    assert ([one["title"] for one in rest["items"]], rest["next_cursor"]) == (["title 0"], None)
    assert ask("GET", tenant="other")[1]["items"] == []


@pytest.mark.parametrize("number", [1, 5])
def test_a_conversation_with_its_messages_is_two_statements_however_many_they_are(
    number: int, statements: list[str]
) -> None:
    place = begin()
    for count in range(number):
        say(place, f"message {count}")
    statements.clear()
    assert ask("GET", place)[1]["messages"] == 2 * number
    first = ask("GET", f"{place}/messages", query="limit=1")[1]
    assert statements == ["fetch_conversation", "list_messages"]
    assert first["items"][0]["content"] == "message 0"
    second = ask("GET", f"{place}/messages", query=f"limit=1&cursor={first['next_cursor']}")[1]
    assert (second["items"][0]["position"], second["items"][0]["author"]) == (2, "agent")


def test_a_message_that_is_sent_again_is_one_message_and_one_reply(model: StandIn) -> None:
    place = begin()
    first = say(place, "About tides", idempotency_key="once")[1]
    status, again, headers = say(place, "About tides", idempotency_key="once")
    assert (status, again, headers["Idempotency-Replayed"]) == (201, first, "true")
    assert model.calls(ask="brief")["count"] == 1


def test_when_the_model_is_away_the_message_stays_and_its_reply_comes_with_the_next_try(model: StandIn) -> None:
    place = begin()
    model.control(rates={"500": 1})
    assert say(place, "About tides", idempotency_key="once")[0] == 503
    assert ask("GET", place)[1]["messages"] == 1
    model.control()
    status, answer, _ = say(place, "About tides", idempotency_key="once")
    assert (status, answer["reply"]["position"]) == (201, 2)
    assert ask("GET", place)[1]["messages"] == 2


def test_a_message_that_is_sent_again_while_its_reply_is_under_way_does_not_ask_the_model_again(
    model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id, consult = begin()[1:], llm.ask
    again: list[Exchange] = []

    def say_once() -> Exchange:
        return conversations.say(conversation_id, "About tides", KeyedRequest("test", "once", ["About tides"]))

    def slow(*given: Any, **more: Any) -> Any:
        if not again:
            again.append(say_once())
        return consult(*given, **more)

    monkeypatch.setattr(llm, "ask", slow)
    first = say_once()
    assert again[0].reply is None
    assert first.reply is not None
    assert model.calls(ask="brief")["count"] == 1
    # AND then it finds the reply
    assert say_once().reply == first.reply


def test_a_reply_that_comes_late_is_not_put_behind_another_message() -> None:
    place = begin()
    conversation = conversations.read(place[1:], "test")
    say(place, "About tides")
    conversations._reply(conversation.__class__(**vars(conversation) | {"messages": 1}), "test")
    assert [one["author"] for one in ask("GET", f"{place}/messages")[1]["items"]] == ["user", "agent"]


def test_a_conversation_has_1000_messages_of_32_kb_at_most(sql: Any) -> None:
    place = begin()
    assert say(place, "é" * 16 * 1024)[0] == 201
    assert say(place, "é" * 16 * 1024 + "e")[0] == 422
    sql("UPDATE conversations SET messages = 999")
    status, problem, _ = say(place, "one more")
    assert (status, problem["code"]) == (409, "conversation_full")


def test_the_largest_page_fits_into_an_answer(sql: Any) -> None:
    # GIVEN a message of 32 KB whose every byte is escaped
    place, longest = begin(), "\x01" * 32 * 1024
    say(place, "About tides")
    sql("UPDATE messages SET content = %s WHERE position = 2", longest)
    # THEN a page of such messages is less than the 6 MB that Lambda answers
    status, page, _ = ask("GET", f"{place}/messages", query="limit=20")
    assert (status, page["items"][1]["content"]) == (200, longest)
    assert 20 * len(json.dumps(json.dumps(page["items"][1]))) < 6_000_000
    assert ask("GET", f"{place}/messages", query="limit=21")[0] == 400
    # AND a list shows the beginning of the last message
    (listed,) = ask("GET", query="limit=100")[1]["items"]
    assert listed["last_message"]["content"] == longest[:500]
    assert ask("GET", place)[1]["last_message"]["content"] == longest
    assert ask("GET", query="limit=101")[0] == 400


def test_nobody_elses_conversation_is_there() -> None:
    place = begin()
    assert ask("GET", place, tenant="other")[0] == 404
    assert ask("GET", f"{place}/messages", tenant="other")[0] == 404
    assert say(place, "x", tenant="other")[0] == 404
    foreign = make({"topic": None, "conversation_id": place[1:]}, tenant_id="other")
    assert foreign.status == "FAILED"


def test_a_beginning_that_is_sent_again_begins_once() -> None:
    ids = [ask("POST", body={}, idempotency_key="one")[1]["conversation_id"] for _ in range(2)]
    assert ids[0] == ids[1]
    with database.connection() as session:
        assert conversations.store.fetch(session, ids[0], "test") is not None


def test_the_newest_messages_that_fit_are_the_context() -> None:
    said = [Message(n, "user", str(n) * (CONTEXT_CHARACTERS // 2), None) for n in range(1, 5)]  # type: ignore[arg-type]
    assert [message.position for message in context(said)] == [3, 4]
    long = Message(9, "user", "x" * 2 * CONTEXT_CHARACTERS, None)  # type: ignore[arg-type]
    assert context([*said, long]) == [long]
