"""Which requests were made: tests see how often each district was paid for, or each action was called."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

KEPT = 20_000  # calls that are shown; the counts include all


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its kind (`ask`), what it was about (`key`), and its outcome."""

    ask: str
    key: str
    batch: int  # 0 when the question has no batches
    outcome: str  # "ok", the name of a fault, or the provider's own error code
    model: str = ""  # the language model, when it was requested by name


class Journal:
    """The requests since the last `forget`."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._counts: Counter[Call] = Counter()
        self._max_running: Counter[str] = Counter(self._running)

    def note(self, call: Call) -> None:
        self._calls.append(call)
        self._counts[replace(call, batch=0)] += 1

    @contextmanager
    def at_work(self, model: str) -> Iterator[None]:
        """Count one more request of this model as running until the block ends."""
        self._running[model] += 1
        self._max_running[model] = max(self._max_running[model], self._running[model])
        try:
            yield
        finally:
            self._running[model] -= 1

    def report(self, ask: str | None, key: str | None, model: str | None = None) -> dict[str, Any]:
        """Return the counts (in all, by key, by outcome, by model) and the latest calls, filtered when asked.

        `most_at_once`: the highest number of simultaneous requests of each model.
        """

        def matches(call: Call) -> bool:
            given = ((ask, call.ask), (key, call.key), (model, call.model))
            return all(value in (None, "", actual) for value, actual in given)

        by_key: Counter[str] = Counter()
        by_outcome: Counter[str] = Counter()
        by_model: Counter[str] = Counter()
        for call, number in self._counts.items():
            if matches(call):
                by_key[call.key] += number
                by_outcome[call.outcome] += number
                by_model[call.model] += number
        return {
            "count": by_outcome.total(),
            "by_key": by_key,
            "by_outcome": by_outcome,
            "by_model": by_model,
            "most_at_once": self._max_running,
            "calls": [asdict(call) for call in self._calls if matches(call)],
        }
