"""The language model's stand-in: told what goes wrong, asked what it was asked, and what there truly is to find."""

from typing import Any
from urllib.parse import quote

from local.providers.llm import divisions
from local.providers.llm.hospitals import Hospital, hospitals_of
from local.running import send

type Truth = dict[str, tuple[Hospital, ...]]  # a province's hospitals by the code of their district


class Provider:
    """The stand-in that a stack runs at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def control(self, **controls: Any) -> None:
        """Replace all controls; see `local.providers.faults.Controls`."""
        answer = send(f"{self._url}/control", "PUT", controls, {}, 5)
        assert answer.status == 200, answer.body.decode()

    def calls(self, ask: str = "", key: str = "") -> dict[str, Any]:
        """{count, by_key, by_outcome, calls: [{ask, key, batch, outcome}]}, of one ask or key when given."""
        report: dict[str, Any] = send(f"{self._url}/calls?ask={quote(ask)}&key={key}", "GET", None, {}, 5).json()
        return report

    def asked(self, ask: str = "hospitals") -> set[str]:
        """The codes that were asked for."""
        return set(self.calls(ask)["by_key"])

    def reset(self) -> None:
        for what in ("control", "calls"):
            send(f"{self._url}/{what}", "DELETE", None, {}, 5)


def district_codes(province: str) -> list[str]:
    """A province's districts by its code; a division without children is its own only child."""
    cities = [city.code for city in divisions.cities()[province]] or [province]
    return sorted(code for city in cities for code in _children(city))


def city_codes(province: str) -> list[str]:
    return [city.code for city in divisions.cities()[province]] or [province]


def held(province: str) -> dict[str, float]:
    """`slow_keys` of a refresh that always has a worker at work: its districts take long, and do not end together.

    Less than the tests' stack waits for an answer, in milliseconds.
    """
    return {code: 500 + 300 * (number % 4) for number, code in enumerate(district_codes(province))}


def truth(province: str, edition: int = 1) -> Truth:
    """What a refresh has to find."""
    return {code: hospitals_of(code, edition) for code in district_codes(province)}


def _children(city: str) -> list[str]:
    return [district.code for district in divisions.districts().get(city, [])] or [city]
