"""What a task's requests to providers cost, and its budget.

With a budget each request's worst case is reserved before it is sent, and settled after: requests at once cannot pass
the budget together. A worker that died leaves its reservation to the next try of its step, which counts it as spent:
the request may have been answered. A job that is polled is another matter: what it may cost is held over the tries of
its step, until it is settled.
"""

from decimal import Decimal

from pydantic import BaseModel

from longhaul import database, llm
from longhaul.database import Session, queries
from longhaul.errors import LonghaulError, ProviderThrottled, StepTimeout
from longhaul.workloads.budgets import BudgetReached

_queries = queries.load(__file__)

WAIT_SECONDS = 5.0  # for other requests' reservations
NOTHING = Decimal(0)


class Purse:
    """The task's money, as one of its steps spends it. `budget`: what the task may cost, None without limit, unless its
    caller has changed that."""

    def __init__(self, task_id: str, step_key: str, budget: Decimal | None) -> None:
        self._task_id = task_id
        self._step_key = step_key
        self._budget = budget

    def reserve(self, worst: Decimal) -> Decimal:
        """Reserve what a request may cost; return it (nothing without a budget) for `settle`. What a worker that died
        had reserved for this step is spent.

        Raises BudgetReached, and ProviderThrottled while other requests hold what is left.
        """
        return self._reserve(worst, keep=False)

    def hold(self, worst: Decimal) -> None:
        """Reserve what a job may cost, over all tries of the step, until `settle_job`. Once: holding again changes
        nothing. Raises as `reserve`."""
        self._reserve(worst, keep=True)

    def settle(self, reserved: Decimal, cost: Decimal, tokens: int = 0) -> None:
        """The request has cost so much, and what was reserved for it is free again."""
        if reserved or cost or tokens:
            database.run_transaction(lambda tx: self._settle(tx, reserved, cost, tokens))

    def settle_job(self, tx: Session, cost: Decimal) -> None:
        """The job has cost so much, and what was held for it is free again, in this transaction: for `step.save`."""
        self._spend(tx, NOTHING, NOTHING, 0)  # so that there is a row to lock
        _queries.lock_spending(tx, task_id=self._task_id)
        self._settle(tx, self._held(tx), cost, 0)

    def release(self) -> None:
        """The job has cost nothing."""
        database.run_transaction(lambda tx: self.settle_job(tx, NOTHING))

    def _reserve(self, worst: Decimal, *, keep: bool) -> Decimal:
        if not keep and self._budget is None and not self._was_limited():  # a budget may come while a job is under way
            return NOTHING
        refusal = database.run_transaction(lambda tx: self._try_to_reserve(tx, worst, keep))
        if refusal is not None:
            raise refusal
        return worst

    def _try_to_reserve(self, tx: Session, worst: Decimal, keep: bool) -> Exception | None:
        self._spend(tx, NOTHING, NOTHING, 0)
        sums = _queries.lock_spending(tx, task_id=self._task_id)
        budget = sums["max_cost"] if sums["budget_changed"] else self._budget
        held = self._held(tx)
        if keep and held:
            return None
        spent, reserved = sums["spent"] + held, sums["reserved"] - held
        if budget is None or spent + reserved + worst <= budget:
            self._spend(tx, held, worst - held, 0)
            self._spend_of_step(tx, held, worst, 0)
            return None
        if reserved and spent + worst <= budget:
            return ProviderThrottled("other requests hold what is left of the budget", retry_after=WAIT_SECONDS)
        return BudgetReached(f"the next request may cost {worst:.4f}; {spent:.4f} of {budget:.4f} are spent", budget)

    def _was_limited(self) -> bool:
        """Whether the task, submitted without a budget, was given one."""
        with database.connection() as session:
            row = _queries.fetch_spending(session, task_id=self._task_id)
        return row is not None and row["max_cost"] is not None

    def _settle(self, tx: Session, reserved: Decimal, cost: Decimal, tokens: int) -> None:
        self._spend(tx, cost, -reserved, tokens)
        self._spend_of_step(tx, cost, NOTHING, tokens)

    def _held(self, tx: Session) -> Decimal:
        return _queries.fetch_reserved(tx, task_id=self._task_id, step_key=self._step_key) or NOTHING

    def _spend(self, tx: Session, spent: Decimal, reserved: Decimal, tokens: int) -> None:
        _queries.spend_of_task(tx, task_id=self._task_id, spent=spent, reserved=reserved, tokens=tokens)

    def _spend_of_step(self, tx: Session, spent: Decimal, reserved: Decimal, tokens: int) -> None:
        _queries.spend_of_step(
            tx, task_id=self._task_id, step_key=self._step_key, spent=spent, reserved=reserved, tokens=tokens
        )


class Llm:
    """The deployment's language models (`longhaul.llm`), as one step asks them: counted, and within the budget."""

    def __init__(self, purse: Purse) -> None:
        self._purse = purse

    def ask[Answer: BaseModel](
        self, prompt: str, answer: type[Answer], *, system: str = "", max_tokens: int = 2_048, model: str = ""
    ) -> Answer:
        """The model's answer in the shape of `answer`; `model` is one of AI_MODELS, the deployment's own when empty.

        Raises ProviderThrottled, ProviderUnavailable, OutOfTime and BadAnswer (`longhaul.llm` says when), UnknownModel,
        and BudgetReached when the request could pass the task's budget.
        """
        chosen = llm.model_named(model) if model else llm.default_model()
        _, worst = llm.worst_case(chosen, prompt, answer, system=system, max_tokens=max_tokens)
        reserved = self._purse.reserve(worst)
        try:
            reply = llm.consult(chosen, prompt, answer, system=system, max_tokens=max_tokens)
        except StepTimeout:
            raise  # in the middle of a request, which may be answered all the same: what is reserved counts as spent
        except LonghaulError as error:
            usage = llm.spent(error)
            tokens = usage.prompt_tokens + usage.completion_tokens if usage else 0
            self._purse.settle(reserved, usage.cost if usage else NOTHING, tokens)
            raise
        usage = reply.usage
        self._purse.settle(reserved, usage.cost, usage.prompt_tokens + usage.completion_tokens)
        return reply.answer
