"""Why a cell was not asked. Its step keeps the code, by which it counts as skipped."""

from longhaul.errors import PermanentError


class ModelLeftAlone(PermanentError):
    """The model keeps failing and is left alone for a while."""

    code = "model_left_alone"


class BudgetReached(PermanentError):
    """The next request could pass the budget."""

    code = "budget_reached"


SKIPPED = frozenset({ModelLeftAlone.code, BudgetReached.code})
