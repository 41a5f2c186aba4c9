"""What a task's requests to language models cost, and its budget.

With a budget each request's worst case is reserved before it is sent, and settled after: requests at once cannot pass
the budget together. A worker that died leaves its reservation to the next try of its step, which counts it as spent:
the request may have been answered.
"""

from decimal import Decimal

from pydantic import BaseModel

from longhaul import database, llm
from longhaul.database import Session, queries
from longhaul.errors import LonghaulError, PermanentError, ProviderThrottled, StepTimeout
from longhaul.llm import Usage

_queries = queries.load(__file__)

WAIT_SECONDS = 5.0  # for other requests' reservations
NOTHING = Decimal(0)


class BudgetReached(PermanentError):
    """The task's budget does not allow another request."""

    code = "budget_reached"


class Llm:
    """The deployment's language models (`longhaul.llm`), as one step asks them: counted, and within the budget."""

    def __init__(self, task_id: str, step_key: str, budget: Decimal | None) -> None:
        self._task_id = task_id
        self._step_key = step_key
        self._budget = budget

    def ask[Answer: BaseModel](
        self, prompt: str, answer: type[Answer], *, system: str = "", max_tokens: int = 2_048, model: str = ""
    ) -> Answer:
        """The model's answer in the shape of `answer`; `model` is one of AI_MODELS, the deployment's own when empty.

        Raises ProviderThrottled, ProviderUnavailable, OutOfTime and BadAnswer (`longhaul.llm` says when), UnknownModel,
        and BudgetReached when the request could pass the task's budget.
        """
        chosen = llm.model_named(model) if model else llm.default_model()
        _, worst = llm.worst_case(chosen, prompt, answer, system=system, max_tokens=max_tokens)
        reserved = self._reserve(worst)
        try:
            reply = llm.consult(chosen, prompt, answer, system=system, max_tokens=max_tokens)
        except StepTimeout:
            raise  # in the middle of a request, which may be answered all the same: what is reserved counts as spent
        except LonghaulError as error:
            self._settle(reserved, llm.spent(error))
            raise
        self._settle(reserved, reply.usage)
        return reply.answer

    def _reserve(self, worst: Decimal) -> Decimal:
        """What is reserved: nothing without a budget."""
        if self._budget is None:
            return NOTHING
        refusal = database.run_transaction(lambda tx: self._try_to_reserve(tx, worst))
        if refusal is not None:
            raise refusal
        return worst

    def _try_to_reserve(self, tx: Session, worst: Decimal) -> Exception | None:
        budget = self._budget or NOTHING
        self._spend(tx, NOTHING, NOTHING, 0)  # so that there is a row to lock
        sums = _queries.lock_spending(tx, task_id=self._task_id)
        lost = _queries.fetch_reserved(tx, task_id=self._task_id, step_key=self._step_key) or NOTHING
        spent, reserved = sums["spent"] + lost, sums["reserved"] - lost
        if spent + reserved + worst <= budget:
            self._spend(tx, lost, worst - lost, 0)
            self._spend_of_step(tx, lost, worst, 0)
            return None
        if reserved and spent + worst <= budget:
            return ProviderThrottled("other requests hold what is left of the budget", retry_after=WAIT_SECONDS)
        return BudgetReached(f"the next request may cost {worst:.4f}; {spent:.4f} of {budget:.4f} are spent")

    def _settle(self, reserved: Decimal, usage: Usage | None) -> None:
        cost = usage.cost if usage else NOTHING
        tokens = usage.prompt_tokens + usage.completion_tokens if usage else 0

        def write(tx: Session) -> None:
            self._spend(tx, cost, -reserved, tokens)
            self._spend_of_step(tx, cost, NOTHING, tokens)

        if reserved or tokens:
            database.run_transaction(write)

    def _spend(self, tx: Session, spent: Decimal, reserved: Decimal, tokens: int) -> None:
        _queries.spend_of_task(tx, task_id=self._task_id, spent=spent, reserved=reserved, tokens=tokens)

    def _spend_of_step(self, tx: Session, spent: Decimal, reserved: Decimal, tokens: int) -> None:
        _queries.spend_of_step(
            tx, task_id=self._task_id, step_key=self._step_key, spent=spent, reserved=reserved, tokens=tokens
        )
