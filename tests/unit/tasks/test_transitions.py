"""The one table of transitions: what may follow what."""

from itertools import product

import pytest

from longhaul.tasks.model import ACTIVE, TERMINAL, TRANSITIONS, Status, Transition, allowed_actions

# (from, to) as section 3 of the design has them.
ALLOWED = {
    ("PENDING", "RUNNING"),
    ("RUNNING", "SUCCEEDED"),
    ("RUNNING", "FAILED"),
    ("RUNNING", "CANCELLED"),
    ("RUNNING", "PENDING"),
    ("RUNNING", "PAUSED"),
    ("PAUSED", "PENDING"),
    ("PENDING", "CANCELLED"),
    ("PAUSED", "CANCELLED"),
    ("PENDING", "FAILED"),
    ("PAUSED", "FAILED"),
    ("FAILED", "PENDING"),
}  # the last but one and the one before when the deadline passes; the last when a caller asks for it


@pytest.mark.parametrize(("source", "target"), list(product(Status, Status)))
def test_only_these_transitions_are_in_the_table(source: Status, target: Status) -> None:
    possible = any(source in move.sources and move.target == target for move in TRANSITIONS.values())
    assert possible == ((source, target) in ALLOWED)


def test_every_transition_has_its_move_and_an_end_has_no_way_out_but_a_retry() -> None:
    assert set(TRANSITIONS) == set(Transition)
    out = {change: set(move.sources) & set(TERMINAL) for change, move in TRANSITIONS.items()}
    assert {change: ends for change, ends in out.items() if ends} == {Transition.RETRY: {Status.FAILED}}
    assert set(ACTIVE) | set(TERMINAL) == set(Status)


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        (Status.PENDING, ["cancel", "prioritise"]),
        (Status.RUNNING, ["cancel", "pause", "prioritise"]),
        (Status.PAUSED, ["cancel", "resume", "prioritise"]),
        (Status.SUCCEEDED, []),
        (Status.FAILED, ["retry"]),
        (Status.CANCELLED, []),
    ],
)
def test_what_a_caller_may_ask_follows_from_the_table(status: Status, actions: list[str]) -> None:
    assert allowed_actions(status) == actions
