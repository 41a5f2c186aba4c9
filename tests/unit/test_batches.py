"""Batches from SQS: grouped, and only what failed is delivered again."""

from typing import Any

from pydantic import BaseModel

from longhaul.aws.sqs import MAX_REQUEST_BYTES, handle_batch, requests


class Message(BaseModel):
    task: str
    number: int


def event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m{i}", "body": body} for i, body in enumerate(bodies)]}


def failures(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_messages_of_one_group_are_handled_together_in_order() -> None:
    handled: list[list[int]] = []
    bodies = ['{"task": "a", "number": 1}', '{"task": "b", "number": 2}', '{"task": "a", "number": 3}']
    answer = handle_batch(
        event(*bodies), Message, lambda m: m.task, lambda group: handled.append([m.number for m in group])
    )
    assert handled == [[1, 3], [2]]
    assert failures(answer) == []


def test_a_message_that_cannot_be_read_does_not_keep_the_others() -> None:
    handled: list[int] = []
    bodies = ["{", '{"task": "a", "number": 1}', '{"task": "a"}']
    answer = handle_batch(event(*bodies), Message, lambda m: m.task, lambda group: handled.append(len(group)))
    assert handled == [1]
    assert failures(answer) == ["m0", "m2"]


def test_a_group_that_raises_is_reported_whole_and_alone() -> None:
    def handle(group: list[Message]) -> None:
        if group[0].task == "bad":
            raise RuntimeError("no")

    bodies = ['{"task": "bad", "number": 1}', '{"task": "good", "number": 2}', '{"task": "bad", "number": 3}']
    assert failures(handle_batch(event(*bodies), Message, lambda m: m.task, handle)) == ["m0", "m2"]


def test_requests_are_cut_by_number_and_by_bytes_in_order() -> None:
    half = MAX_REQUEST_BYTES // 2

    def cut(*sizes: int) -> list[list[int]]:
        return list(requests(sizes, lambda size: size))

    assert cut() == []
    assert cut(*range(12)) == [list(range(10)), [10, 11]]
    assert cut(half, half, 1) == [[half, half], [1]]
    assert cut(1, half, half, 2) == [[1, half], [half, 2]]
    assert cut(1, MAX_REQUEST_BYTES + 1, 2) == [[1], [MAX_REQUEST_BYTES + 1], [2]]
