"""The directory over HTTP: its documents, its pages, and the slice of a list that a page asks for."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from hospitals.changes import ChangeList
from hospitals.directory import HospitalList, Slice
from hospitals.model import Division, Level
from hospitals.store import FIRST, Begun, Change, Key, ListedHospital, Refresh
from longhaul.http import Page, PageParams, Timestamp, page_of, rfc3339
from longhaul.http.cursors import cursor_after
from longhaul.tasks.model import Status


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


class HospitalChange(HospitalView):
    """A hospital that a refresh changed, as it is now; one that is gone as it was."""

    change: Change = Field(description="Added, changed, or gone: the refresh did not find it any more.")


class ChangeCounts(_View):
    """How many hospitals a refresh added, changed and did not find any more."""

    added: int
    changed: int
    gone: int


class ChangePage(_View):
    """Some of what a refresh changed, by district and name."""

    items: list[HospitalChange]
    counts: ChangeCounts = Field(description="Of all that it changed in the place, whatever `change` narrows.")
    next_cursor: str | None = Field(description="Continues after this page. Null on the last page.")


class RefreshView(_View):
    """A task that refreshes the province, or the whole country."""

    task_id: str
    kind: str = Field(examples=["hospital_province_refresh"])
    title: str = Field(examples=["广东省刷新"])
    status: Status
    started_at: Timestamp
    finished_at: Timestamp | None = Field(description="Null until it has ended.")


class RefreshPage(_View):
    """Some of your refreshes of a province, the one that began last first."""

    items: list[RefreshView]
    next_cursor: str | None = Field(description="Continues after this page. Null on the last page.")


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


def refresh_page(found: Sequence[Refresh], following: Begun | None, of: object) -> RefreshPage:
    """`of` here and below, as in `hospital_page`."""
    items = [RefreshView.model_validate(vars(refresh)) for refresh in found]
    return RefreshPage(items=items, next_cursor=cursor_after(of, following))


def change_page(found: ChangeList, of: object) -> ChangePage:
    items = [
        HospitalChange(change=one.change, **_hospital(one.hospital).model_dump(mode="python")) for one in found.items
    ]
    return ChangePage(items=items, counts=ChangeCounts(**vars(found.counts)), next_cursor=cursor_after(of, found.last))


def _hospital(hospital: ListedHospital) -> HospitalView:
    return HospitalView.model_validate(vars(hospital) | {"updated_at": rfc3339(hospital.updated_at)})
