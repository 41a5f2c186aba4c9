"""Serves the directory: provinces, cities, districts, hospitals; and what refreshes changed of it."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AfterValidator, BaseModel

from hospitals import changes, directory
from hospitals.directory import Search
from hospitals.model import Level
from hospitals.provinces import find_province
from hospitals.store import COUNTRY, FIRST, LAST, Begun, Change, Key, Place, place_of
from hospitals.wire import (
    ChangePage,
    DivisionView,
    HospitalView,
    RefreshPage,
    change_page,
    division_page,
    hospital_page,
    refresh_page,
    slice_of,
)
from longhaul import settings
from longhaul.http import (
    Page,
    PageCursor,
    PageNumber,
    PageParams,
    PageSize,
    Response,
    TaskId,
    also,
    caller,
    conditional,
    etag_of,
    make_app,
    needs,
)
from longhaul.http.cursors import key_of
from longhaul.http.pages import Cursor, Limit
from longhaul.observability import observed

settings.require(settings.Database, settings.Cache, settings.Cursors, settings.Limits)

app = make_app()
REFRESH: dict[str, Any] = {
    "security": needs("directory:read", "tasks:read"),
    "tags": ["directory"],
    "openapi_extensions": also(304),
}
LIST: dict[str, Any] = {"security": needs("directory:read"), "tags": ["directory"], "openapi_extensions": also(304)}

DivisionCode = Annotated[
    str, Path(pattern=r"^[0-9]{6}$", description="A division's code, six digits.", examples=["440100"])
]
ProvinceCode = Annotated[
    str, Path(pattern=r"^[0-9]{6}$", description="A province's code, six digits.", examples=["440000"])
]
Beginning = Annotated[
    str | None, Query(min_length=1, max_length=50, description="What names begin with.", examples=["广州"])
]
Province = Annotated[
    str | None,
    Query(min_length=1, max_length=20, description="A province's name or code.", examples=["广东省"]),
    AfterValidator(lambda text: text and find_province(text).code),
]


@app.get("/api/v1/provinces", **LIST, summary="List the provinces")
def serve_provinces(page: PageNumber = 1, page_size: PageSize = 100) -> Response[Page[DivisionView]]:
    return _conditional(division_page(directory.list_provinces(), PageParams(page, page_size)))


@app.get("/api/v1/provinces/<code>/cities", **LIST, summary="List a province's cities")
def serve_cities(code: DivisionCode, page: PageNumber = 1, page_size: PageSize = 100) -> Response[Page[DivisionView]]:
    return _conditional(division_page(directory.list_cities(code), PageParams(page, page_size)))


@app.get("/api/v1/cities/<code>/districts", **LIST, summary="List a city's districts")
def serve_districts(
    code: DivisionCode, page: PageNumber = 1, page_size: PageSize = 100
) -> Response[Page[DivisionView]]:
    return _conditional(division_page(directory.list_districts(code), PageParams(page, page_size)))


@app.get("/api/v1/districts/<code>/hospitals", **LIST, summary="List a district's hospitals")
def serve_district_hospitals(
    code: DivisionCode, page: PageNumber = 1, page_size: PageSize = 20, cursor: PageCursor = None
) -> Response[Page[HospitalView]]:
    of = ["district", code]
    params = PageParams.at(of, page, page_size, cursor)
    return _conditional(hospital_page(directory.list_hospitals(code, slice_of(params)), params, of))


@app.get("/api/v1/hospitals", **LIST, summary="Search hospitals")
def serve_hospitals(
    q: Beginning = None,
    level: Annotated[Level | None, Query(description="Only of this grade.")] = None,
    province: Province = None,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    cursor: PageCursor = None,
) -> Response[Page[HospitalView]]:
    of = ["search", q, level, province]
    params = PageParams.at(of, page, page_size, cursor)
    search = Search(q, level, find_province(province) if province else None)
    return _conditional(hospital_page(directory.search_hospitals(search, slice_of(params)), params, of))


@app.get(
    "/api/v1/provinces/<code>/refreshes",
    **REFRESH,
    summary="List a province's refreshes, the one that began last first",
)
def serve_refreshes(code: ProvinceCode, cursor: Cursor = None, limit: Limit = 20) -> Response[RefreshPage]:
    """Your tenant's, of this province and of the whole country, once they have begun."""
    tenant_id = caller(app).tenant_id
    of = ["refreshes", tenant_id, code]
    before = Begun(*key_of(of, cursor)) if cursor else LAST
    found, following = changes.list_refreshes(code, tenant_id, before=before, limit=limit)
    return _conditional(refresh_page(found, following, of))


@app.get("/api/v1/refreshes/<task_id>/changes", **REFRESH, summary="List what a refresh changed")
def serve_changes(
    task_id: TaskId,
    change: Annotated[Change | None, Query(description="Only what it added, changed, or found gone.")] = None,
    province: Province = None,
    district: Annotated[
        str | None, Query(pattern=r"^[0-9]{6}$", description="Only of this district, by its code.", examples=["440103"])
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Response[ChangePage]:
    """A hospital that another refresh has changed since, or found gone, is in that one's list."""
    tenant_id = caller(app).tenant_id
    of = ["changes", tenant_id, task_id, change, province, district]
    after = Key(*key_of(of, cursor)) if cursor else FIRST
    place = Place(district, district) if district else place_of(find_province(province)) if province else COUNTRY
    found = changes.list_changes(
        task_id, tenant_id, place, [change] if change else list(Change), after=after, limit=limit
    )
    return _conditional(change_page(found, of))


def _conditional[P: BaseModel](page: P) -> Response[P]:
    return conditional(app, lambda: page, etag=etag_of(page))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
