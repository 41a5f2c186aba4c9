"""What the state machine sends to the refresh's functions, and what it gets to send on."""

from pydantic import BaseModel, Field

from hospitals.model import Code, Division
from longhaul.workflows import Attempt


class DivisionStep(Attempt):
    """A division to work on. `within` names what it lies in (广东省广州市): many districts share a name."""

    code: Code
    name: str = Field(min_length=1, max_length=50)
    within: str = ""

    @property
    def division(self) -> Division:
        return Division(code=self.code, name=self.name)

    @property
    def place(self) -> str:
        """The full name, without saying a name twice where a division is its own child."""
        return self.within if self.within.endswith(self.name) else f"{self.within}{self.name}"

    def child(self, division: Division) -> "DivisionStep":
        return DivisionStep(task_id=self.task_id, attempt=self.attempt, within=self.place, **division.model_dump())


class ProvincesPlan(BaseModel):
    provinces: list[DivisionStep]


class CitiesPlan(BaseModel):
    """`max_districts_in_flight` bounds how many of the province's cities or districts are asked for at once."""

    max_districts_in_flight: int
    cities: list[DivisionStep]


class DistrictsPlan(BaseModel):
    districts: list[DivisionStep]
