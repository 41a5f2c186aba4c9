"""Who asked for what: lets a test say how often each district was paid for, or each action called."""

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 20_000  # calls shown; the counts go on


@dataclass(frozen=True, slots=True)
class Call:
    ask: str
    key: str
    batch: int  # 0 where the ask has no batches
    outcome: str  # "ok", the fault's name, or the code with which the provider itself refused


class Journal:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def note(self, call: Call) -> None:
        self._calls.append(call)
        self._counts[call.ask, call.key, call.outcome] += 1

    def report(self, ask: str | None, key: str | None) -> dict[str, Any]:
        """Counts in all, by key and by outcome, and the latest calls, of one ask and one key when they are given."""
        wanted = {
            counted: number
            for counted, number in self._counts.items()
            if ask in (None, "", counted[0]) and key in (None, "", counted[1])
        }
        by_key: Counter[str] = Counter()
        by_outcome: Counter[str] = Counter()
        for (_, counted_key, outcome), number in wanted.items():
            by_key[counted_key] += number
            by_outcome[outcome] += number
        calls = [asdict(call) for call in self._calls if ask in (None, "", call.ask) and key in (None, "", call.key)]
        return {"count": sum(wanted.values()), "by_key": by_key, "by_outcome": by_outcome, "calls": calls}
