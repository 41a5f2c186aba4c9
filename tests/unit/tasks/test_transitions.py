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
}  # the last two when the deadline passes


@pytest.mark.parametrize(("source", "target"), list(product(Status, Status)))
def test_only_these_transitions_are_in_the_table(source: Status, target: Status) -> None:
    possible = any(source in move.sources and move.target == target for move in TRANSITIONS.values())
    assert possible == ((source, target) in ALLOWED)


def test_every_transition_has_its_move_and_no_end_has_a_way_out() -> None:
    assert set(TRANSITIONS) == set(Transition)
    assert not any(set(move.sources) & set(TERMINAL) for move in TRANSITIONS.values())
    assert set(ACTIVE) | set(TERMINAL) == set(Status)


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        (Status.PENDING, ["cancel"]),
        (Status.RUNNING, ["cancel", "pause"]),
        (Status.PAUSED, ["cancel", "resume"]),
        *((status, []) for status in TERMINAL),
    ],
)
def test_what_a_caller_may_ask_follows_from_the_table(status: Status, actions: list[str]) -> None:
    assert allowed_actions(status) == actions
