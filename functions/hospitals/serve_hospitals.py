"""Serves the directory: provinces, cities, districts, hospitals."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AfterValidator, BaseModel

from hospitals import directory
from hospitals.directory import Search
from hospitals.model import Level
from hospitals.provinces import find_province
from hospitals.wire import DivisionView, HospitalView, division_page, hospital_page, slice_of
from longhaul import settings
from longhaul.http import (
    Page,
    PageCursor,
    PageNumber,
    PageParams,
    PageSize,
    Response,
    also,
    conditional,
    etag_of,
    make_app,
    needs,
)
from longhaul.observability import observed

settings.require(settings.Database, settings.Cache, settings.Cursors, settings.Limits)

app = make_app()
LIST: dict[str, Any] = {"security": needs("directory:read"), "tags": ["directory"], "openapi_extensions": also(304)}

DivisionCode = Annotated[
    str, Path(pattern=r"^[0-9]{6}$", description="A division's code, six digits.", examples=["440100"])
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


def _conditional[V: BaseModel](page: Page[V]) -> Response[Page[V]]:
    return conditional(app, lambda: page, etag=etag_of(page))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
