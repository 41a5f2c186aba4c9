"""Who asked for what: lets a test say how often each district was paid for, or each action called."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

KEPT = 20_000  # calls shown; the counts go on


@dataclass(frozen=True, slots=True)
class Call:
    ask: str
    key: str
    batch: int  # 0 where the ask has no batches
    outcome: str  # "ok", the fault's name, or the code with which the provider itself refused
    model: str = ""  # the language model that was asked by name


class Journal:
    def __init__(self) -> None:
        self._at_once: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._counts: Counter[Call] = Counter()
        self._most_at_once: Counter[str] = Counter(self._at_once)

    def note(self, call: Call) -> None:
        self._calls.append(call)
        self._counts[replace(call, batch=0)] += 1

    @contextmanager
    def at_work(self, model: str) -> Iterator[None]:
        """One more request of this model is under way, until the block ends."""
        self._at_once[model] += 1
        self._most_at_once[model] = max(self._most_at_once[model], self._at_once[model])
        try:
            yield
        finally:
            self._at_once[model] -= 1

    def report(self, ask: str | None, key: str | None, model: str | None = None) -> dict[str, Any]:
        """Counts in all, by key, outcome and model, and the latest calls, of one ask, key and model when given.

        `most_at_once` tells of each model how many of its requests were under way at the same moment, at most.
        """

        def wanted(call: Call) -> bool:
            given = ((ask, call.ask), (key, call.key), (model, call.model))
            return all(asked in (None, "", said) for asked, said in given)

        by_key: Counter[str] = Counter()
        by_outcome: Counter[str] = Counter()
        by_model: Counter[str] = Counter()
        for call, number in self._counts.items():
            if wanted(call):
                by_key[call.key] += number
                by_outcome[call.outcome] += number
                by_model[call.model] += number
        return {
            "count": by_outcome.total(),
            "by_key": by_key,
            "by_outcome": by_outcome,
            "by_model": by_model,
            "most_at_once": self._most_at_once,
            "calls": [asdict(call) for call in self._calls if wanted(call)],
        }
