"""What a diagnosis may spend: each request's worst case is reserved before it is made, and settled after.

So that requests made at once cannot pass the budget together, whoever reserves holds the diagnosis's row meanwhile.
Without a budget nothing is reserved. A worker that was killed leaves its reservation to the next run of its cell, which
counts it as spent: the request may have been answered.
"""

from diagnosis import store
from diagnosis.errors import BudgetReached
from diagnosis.model import Budget
from diagnosis.prices import Sum
from longhaul import database
from longhaul.database import Session
from longhaul.errors import ProviderThrottled

WAIT_SECONDS = 5.0


def reserve(task_id: str, key: str, most: Sum) -> None:
    """Raises BudgetReached when this request could pass what is left, ProviderThrottled when others that are under way
    may leave enough: they are reserved at their worst.
    """

    def write(tx: Session) -> Exception | None:
        budget = store.lock_budget(tx, task_id)
        store.settle_lost(tx, task_id, key)
        if budget.unlimited:
            return None
        sums = store.sum_costs(tx, task_id)
        if fits(budget, sums.spent + sums.reserved, most):
            store.reserve(tx, task_id, key, most)
            return None
        if sums.reserved.tokens and fits(budget, sums.spent, most):
            return ProviderThrottled("other requests hold what is left of the budget", retry_after=WAIT_SECONDS)
        return BudgetReached(
            f"the next request may take {most.tokens} tokens and cost {most.cost:.4f};"
            f" {sums.spent.tokens} tokens and {sums.spent.cost:.4f} are spent"
        )

    if (refusal := database.run_transaction(write)) is not None:
        raise refusal


def fits(budget: Budget, before: Sum, more: Sum) -> bool:
    """Whether `more` can be spent too without passing the budget."""
    after = before + more
    return (budget.max_cost is None or after.cost <= budget.max_cost) and (
        budget.max_tokens is None or after.tokens <= budget.max_tokens
    )
