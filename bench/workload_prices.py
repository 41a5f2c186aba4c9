"""AWS's list prices of a million steps, by the batch: Step Functions and Lambda (us-east-1, November 2026).

A second of Lambda has the price of the machine that base.yaml says. What was measured on another one is taken as it is.
SQS, DynamoDB and MySQL are not counted. A batch sends one SQS message, which is three requests ($0.40 a million).
"""

from itertools import pairwise

from deployment.bundle import BASE
from deployment.text import load

TRANSITION = 0.025 / 1_000
REQUEST = 0.20 / 1_000_000
GB_SECONDS = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
(ARCHITECTURE,) = load(BASE.read_text(encoding="utf-8"))["Globals"]["Function"]["Architectures"]
GB_SECOND = GB_SECONDS[ARCHITECTURE]
GIGABYTES = 0.5
BATCHES = (1, 10, 25, 100)
PAGE_BATCHES = 1_000
STEPS = 1_000_000
GOAL = 10.0  # dollars


def prices(transitions: int, page_transitions: int, batch_ms: dict[int, float]) -> dict[str, dict[str, float]]:
    """By batch: {transitions, step_functions, lambda, total}, in dollars but for the first.

    `transitions` of a batch, and those of a page of 1,000 batches. `batch_ms`: how long an invocation takes by its
    items, measured for two sizes; the others lie on their line.
    """
    return {str(batch): _price(batch, transitions, page_transitions, _on_line(batch, batch_ms)) for batch in BATCHES}


def _price(batch: int, transitions: int, page_transitions: int, milliseconds: float) -> dict[str, float]:
    batches = STEPS / batch
    moved = batches * transitions + batches / PAGE_BATCHES * page_transitions
    step_functions = moved * TRANSITION
    functions = batches * (REQUEST + milliseconds / 1_000 * GIGABYTES * GB_SECOND)
    return {
        "transitions": round(moved),
        "step_functions": round(step_functions, 2),
        "lambda": round(functions, 2),
        "total": round(step_functions + functions, 2),
    }


def _on_line(batch: int, measured: dict[int, float]) -> float:
    ((small, short), (large, long)) = next(pairwise(sorted(measured.items())))
    slope = max(0.0, (long - short) / (large - small))
    return max(short, short + slope * (batch - small))
