"""Divisions and hospitals, and the language model's answers about them.

An answer's models check its shape only: they go to the language model as a JSON schema, and one malformed hospital must
not cost the others. Each row is then validated as a `Division` or a `Hospital`, the forms that are stored.
"""

import hashlib
import json
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

type Code = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}$")]  # GB/T 2260, six digits


class Level(StrEnum):
    """A hospital's grade: class 1 to 3, with or without its rank (甲等 is the best)."""

    THREE_A = "三级甲等"
    THREE_B = "三级乙等"
    THREE_C = "三级丙等"
    THREE = "三级"
    TWO_A = "二级甲等"
    TWO_B = "二级乙等"
    TWO_C = "二级丙等"
    TWO = "二级"
    ONE_A = "一级甲等"
    ONE = "一级"
    UNRATED = "未定级"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Division(_Row):
    """A province, city or district."""

    code: Code
    name: Annotated[str, StringConstraints(min_length=2, max_length=50)]


class Hospital(_Row):
    """A hospital of a district, in which its name is unique. `confidence` (0..1) is the model's own."""

    name: Annotated[str, StringConstraints(min_length=2, max_length=100)]
    level: Level
    type: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    address: Annotated[str, StringConstraints(max_length=200)]
    phone: Annotated[str, StringConstraints(max_length=30, pattern=r"^[0-9+() 、,;/转-]*$")]
    confidence: Annotated[float, Field(ge=0, le=1)]

    @property
    def digest(self) -> str:
        """32 hex digits of what can change. A model's confidence wavers, so it is left out."""
        content = [self.level, self.type, self.address, self.phone]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DivisionAnswer(_Answer):
    code: str
    name: str


class CitiesAnswer(_Answer):
    cities: list[DivisionAnswer]


class DistrictsAnswer(_Answer):
    districts: list[DivisionAnswer]


class HospitalAnswer(_Answer):
    name: str
    level: Annotated[str, Field(json_schema_extra={"enum": [str(level) for level in Level]})]
    type: str
    address: str
    phone: str
    confidence: float


class HospitalsAnswer(_Answer):
    """A batch of a district's hospitals. `has_more`: the district has others that were not named yet."""

    hospitals: list[HospitalAnswer]
    has_more: bool
