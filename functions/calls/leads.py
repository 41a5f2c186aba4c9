"""A lead as a caller gives it: who is to be called, at a number that can be called."""

import json
import re
from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

REGION = "CN"  # a number without a country code is Chinese
MOST_EXTRAS_CHARACTERS = 4000

type Unique = Literal["leads_id", "phone"]  # what no two leads of a campaign have in common
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


def dialled(phone: str) -> str:
    """An E.164 number as the provider dials it: at home without the country's code, abroad with 00."""
    import phonenumbers

    number = phonenumbers.parse(phone)
    if phonenumbers.region_code_for_number(number) == REGION:
        return re.sub(r"\D", "", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    return phone.replace("+", "00")


def _bounded(extras: dict[str, str]) -> dict[str, str]:
    if len(json.dumps(extras, ensure_ascii=False)) > MOST_EXTRAS_CHARACTERS:
        raise ValueError(f"more than {MOST_EXTRAS_CHARACTERS} characters in all")
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
        """As `insert_leads` takes it."""
        return [self.leads_id, self.phone, self.name, json.dumps(self.extras, ensure_ascii=False)]


def duplicates(leads: Sequence[NewLead], known: Collection[tuple[Unique, str]] = ()) -> list[tuple[int, Unique]]:
    """(index, field) of each lead whose id or number is `known`, as (field, value), or another lead's before it."""
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
