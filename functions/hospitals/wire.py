"""The directory over HTTP: its documents, its pages, and the slice of a list that a page asks for."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from hospitals.directory import HospitalList, Slice
from hospitals.model import Division, Level
from hospitals.store import FIRST, Key, ListedHospital
from longhaul.http import Page, PageParams, page_of, rfc3339


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class DivisionView(_View):
    code: str = Field(description="Six digits (GB/T 2260).", examples=["440103"])
    name: str = Field(examples=["荔湾区"])


class HospitalView(_View):
    district_code: str = Field(examples=["440103"])
    district_name: str = Field(examples=["荔湾区"])
    name: str = Field(description="Unique in its district.")
    level: Level
    type: str = Field(examples=["综合医院"])
    address: str
    phone: str = Field(description="Empty when it is not known.")
    confidence: float = Field(description="How sure the language model was, 0 to 1.")
    updated_at: str = Field(description="When it last was different (RFC 3339, UTC).")


def slice_of(params: PageParams) -> Slice:
    return Slice(limit=params.limit, offset=params.offset, after=Key(*params.after) if params.after else FIRST)


def division_page(divisions: Sequence[Division], params: PageParams) -> Page[DivisionView]:
    """A page of `divisions`, which are the whole list: a division has few children."""
    shown = divisions[params.offset : params.offset + params.limit]
    items = [DivisionView(code=division.code, name=division.name) for division in shown]
    return page_of(items, len(divisions), params)


def hospital_page(found: HospitalList, params: PageParams, of: object) -> Page[HospitalView]:
    """`of` tells the list apart from all others: its cursors are valid for no other."""
    items = [_hospital(hospital) for hospital in found.hospitals]
    return page_of(items, found.total, params, of=of, last=found.last)


def _hospital(hospital: ListedHospital) -> HospitalView:
    return HospitalView.model_validate(vars(hospital) | {"updated_at": rfc3339(hospital.updated_at)})
