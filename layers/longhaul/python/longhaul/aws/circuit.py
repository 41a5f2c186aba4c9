"""A circuit breaker: a provider that keeps failing is left alone for a while, by every environment at once.

    circuit = Circuit("llm:qwen-plus@api.example.com", table="breakers")
    answer = circuit.call(lambda: client.ask(prompt, Answer))

It is Powertools' breaker. Each environment counts the failures it saw in a row; the first to see five opens the circuit
for all, by one write to DynamoDB. When it has been open long enough one caller is elected to try: success closes the
circuit, failure opens it again. Closed, it costs one eventually consistent read in five seconds and no write. DynamoDB
being away means that calls go through, and a warning.
"""

import logging
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from longhaul import aws
from longhaul.errors import PermanentError, ProviderThrottled, ProviderUnavailable
from longhaul.observability import logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.circuit_breaker import CircuitInfo, CircuitTransition

FAILURES = 5  # in a row, in one environment
OPEN_SECONDS = 30  # the state machines' retries must outlast it
READ_SECONDS = 5  # how old the state may be that an environment goes by


class Circuit:
    """The circuit of one provider, kept under its name in the table. Making one reads and imports nothing."""

    def __init__(self, name: str, *, table: str, open_seconds: int = OPEN_SECONDS) -> None:
        self._name = name
        self._table = table
        self._open_seconds = open_seconds

    def call[R](self, ask: Callable[[], R]) -> R:
        """What `ask` gives or raises; while the circuit is open, ProviderUnavailable without asking.

        ProviderThrottled and ProviderUnavailable are failures, so `ask` should have retried before it raises them. A
        PermanentError is an answer: the provider is there.
        """
        outcome: R | PermanentError = self._guarded(ask)
        if isinstance(outcome, PermanentError):
            raise outcome
        return outcome

    @cached_property
    def _guarded(self) -> Callable[[Callable[[], Any]], Any]:
        from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker

        config = CircuitBreakerConfig(
            failure_threshold=FAILURES,
            recovery_timeout=self._open_seconds,
            success_threshold=1,  # more would have to come from the elected environment, which may get no more work
            handled_exceptions=(ProviderThrottled, ProviderUnavailable),
            local_cache_max_age=READ_SECONDS,
        )
        guard = circuit_breaker(self._name, _store(self._table), self._refuse, _tell, config)
        guarded: Callable[[Callable[[], Any]], Any] = guard(_settle)
        return guarded

    def _refuse(self, ask: Callable[[], Any], circuit: "CircuitInfo") -> None:
        left = (circuit.opened_at or 0) + self._open_seconds - time.time()
        # None left: another caller is trying the provider at this moment.
        raise ProviderUnavailable(
            f"{self._name} failed {FAILURES} times in a row and is left alone", retry_after=left if left > 0 else None
        )


def _settle[R](ask: Callable[[], R]) -> R | PermanentError:
    """Returned, a permanent error ends a row of failures and closes the circuit, as any answer does."""
    try:
        return ask()
    except PermanentError as error:
        return error


def _store(table: str) -> Any:
    """Powertools' store on the kernel's DynamoDB client; its import brings boto3, so it waits for the first call."""
    from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence

    class Store(CircuitBreakerDynamoDBPersistence):
        def _get_record(self, name: str) -> Any:
            """No record, as of a circuit that never opened: gone by as long as any other, so DynamoDB is spared."""
            try:
                return super()._get_record(name)
            except aws.errors() as error:
                logger.warning("circuit not read", extra={"circuit": name, "reason": str(error)})
                return None

        def try_acquire_half_open(self, name: str, owner: str, opened_at: int) -> bool:
            """The one request whose failure Powertools would give to the caller."""
            try:
                return super().try_acquire_half_open(name, owner, opened_at)
            except aws.errors() as error:
                logger.warning("circuit not written", extra={"circuit": name, "reason": str(error)})
                return True

    # Its other writes that fail Powertools only logs, to a logger that discards everything.
    logging.getLogger("aws_lambda_powertools.utilities.circuit_breaker").addHandler(logger.handlers[0])
    client = aws.whole_client("dynamodb")  # Powertools catches its own exceptions
    return Store(table, key_attr="circuit", expiry_attr="expires_at", boto3_client=client)


def _tell(change: "CircuitTransition") -> None:
    logger.warning("circuit changed", extra={"circuit": change.circuit_name, "state": str(change.to_state)})
    if change.to_state == "OPEN":
        metrics.add_metric("CircuitOpened", MetricUnit.Count, 1)
