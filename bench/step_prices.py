"""State transitions a step, read from the state machines' definitions, and the list price of a million steps.

Step Functions bills each state that is entered (https://aws.amazon.com/step-functions/pricing/). A Map's iteration
enters its first state and those that follow, once for a batch of items; the Map's own state and those around it are
shared by all its items. Beside that stands what a second costs that a million steps wait for a provider: Lambda bills
a call as long as it lasts, and the steps of a batch wait together.
"""

from typing import Any

import yaml

from bench.workload_prices import GB_SECOND, GIGABYTES, REQUEST, TRANSITION
from local.options import ROOT

MACHINES = {
    "a district": ("functions/hospitals/refresh_hospitals.asl.yaml", ("RefreshProvinces", "RefreshDistricts")),
    "a cell": ("functions/diagnosis/diagnose_brand.asl.yaml", ("AskModels", "AskCells")),
}
ITEMS = {"a district": 122, "a cell": 36}  # 广东省; twelve questions to three models
BATCHES = {"a district": 3, "a cell": 3}  # of 50 districts; one for each model
SHARES = {"a district": (1, 1, 21), "a cell": (1, 3, 0)}  # child executions, and cities that are listed before
AT_ONCE = 5  # of a batch: the template's districts in flight, and a model's default
MEMORY = 0.25  # GB of RefreshDistrict and AskModel
QUICK_SECONDS = 0.03  # of a step that does next to nothing; waiting for a provider comes on top
STEPS = 1_000_000


def step_prices() -> dict[str, dict[str, float]]:
    """By step: {transitions_an_item, transitions, step_functions_usd, lambda_usd, total_usd, waiting_usd_a_second}."""
    return {name: _priced(name) for name in MACHINES}


def _priced(name: str) -> dict[str, float]:
    path, (outer, inner) = MACHINES[name]
    machine = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    children = machine["States"][outer]["ItemProcessor"]
    batch = _path(children["States"][inner]["ItemProcessor"])
    tops, shares = _path(machine), SHARES[name]
    shared = tops * shares[0] + _path(children) * shares[1] + shares[2]
    a_batch = BATCHES[name] / ITEMS[name]
    transitions = batch * a_batch + shared / ITEMS[name]
    step_functions = transitions * STEPS * TRANSITION
    # Half the memory has half the processor: what a step computes costs what it cost before.
    functions = STEPS * (REQUEST * a_batch + QUICK_SECONDS * GIGABYTES * GB_SECOND)
    return {
        "transitions_an_item": round(batch * a_batch, 3),
        "transitions": round(transitions, 2),
        "step_functions_usd": round(step_functions, 2),
        "lambda_usd": round(functions, 2),
        "total_usd": round(step_functions + functions, 2),
        "waiting_usd_a_second": round(STEPS / AT_ONCE * MEMORY * GB_SECOND, 2),
    }


def _path(machine: dict[str, Any]) -> int:
    """Return how many states are entered when nothing fails."""
    count, name = 0, machine["StartAt"]
    while name:
        state, count = machine["States"][name], count + 1
        name = state.get("Next") or state.get("Default")
    return count
