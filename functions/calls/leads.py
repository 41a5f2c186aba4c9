"""A lead: the person that a campaign calls, as a caller submits it and as the provider is given it."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

MAX_LEADS_AT_ONCE = 1_000  # in one request
MAX_EXTRAS_CHARACTERS = 4_000
REGION = "CN"  # a number without a country code is Chinese

type Unique = Literal["leads_id", "phone"]  # the fields that no two leads of a campaign share
type Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def parse_phone(text: str) -> str:
    """The number in E.164 (`+8613800138000`); ValueError for one that no network would route."""
    import phonenumbers  # its metadata costs 40 ms, and most functions meet no number

    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a telephone number") from error
    if not phonenumbers.is_valid_number(number):
        raise ValueError("not a telephone number that can be called")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def dial_form(phone: str) -> str:
    """An E.164 number as the provider dials it: Chinese numbers without the country code, others with 00."""
    import phonenumbers

    number = phonenumbers.parse(phone)
    if phonenumbers.region_code_for_number(number) == REGION:
        return re.sub(r"\D", "", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    return phone.replace("+", "00")


def _bounded(extras: dict[str, str]) -> dict[str, str]:
    if len(json.dumps(extras, ensure_ascii=False)) > MAX_EXTRAS_CHARACTERS:
        raise ValueError(f"more than {MAX_EXTRAS_CHARACTERS} characters in all")
    return extras


class NewLead(BaseModel):
    """A lead to be called once. `extras` are what the script may speak of."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    leads_id: str = Field(min_length=1, max_length=64, description="Yours; unique in a campaign.", examples=["L-1001"])
    phone: Annotated[
        str,
        Field(max_length=32, description="With a country code, or Chinese.", examples=["13800138000"]),
        AfterValidator(parse_phone),
    ]
    name: str = Field("", max_length=50, examples=["王女士"])
    extras: Annotated[
        dict[Word, Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=20), AfterValidator(_bounded)
    ] = {}

    def row(self) -> list[str]:
        """The lead as `store.insert_leads` takes it."""
        return [self.leads_id, self.phone, self.name, json.dumps(self.extras, ensure_ascii=False)]


@dataclass(frozen=True)
class WaitingLead:
    """A row of `leads_task_list` that has no job yet."""

    id: int
    leads_id: str
    phone: str
    name: str
    extras: Mapping[str, str]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**row | {"extras": json.loads(row["extras"] or "{}"), "name": row["name"] or ""})

    @property
    def reference(self) -> str:
        """The id that the provider knows the lead by. One job at most may carry it."""
        return str(self.id)


class Added(NamedTuple):
    """What adding leads came to: how many are new, how many there are now, and (index, shared field) of the others."""

    added: int
    leads: int
    duplicates: list[tuple[int, Unique]]


def duplicates(leads: Sequence[NewLead], known: Collection[tuple[Unique, str]] = ()) -> list[tuple[int, Unique]]:
    """(index, field) of each lead whose id or number is in `known`, as (field, value), or in an earlier lead."""
    seen = set(known)
    found: list[tuple[int, Unique]] = []
    for index, lead in enumerate(leads):
        if ("leads_id", lead.leads_id) in seen:
            found.append((index, "leads_id"))
        elif ("phone", lead.phone) in seen:
            found.append((index, "phone"))
        else:
            seen |= {("leads_id", lead.leads_id), ("phone", lead.phone)}
    return found
