"""What the document tells of a route beside what Powertools derives: its class, its other answers, examples."""

from enum import StrEnum
from typing import Annotated, Any

import pytest
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query
from pydantic import BaseModel

from longhaul.http import (
    Api,
    IdempotencyKey,
    KindName,
    Page,
    PageNumber,
    Response,
    TaskId,
    also,
    limited,
    make_app,
    needs,
)
from longhaul.http.limits import class_of
from longhaul.http.openapi import describe


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Thing(BaseModel):
    name: str


@pytest.fixture(scope="module")
def app() -> Api:
    app = make_app()

    @app.get("/things", security=needs("things:read"), openapi_extensions=also(304))
    def list_things(
        colour: Annotated[list[Colour] | None, Query()] = None,
        best: Annotated[Colour | None, Query()] = None,
        page: PageNumber = 1,
        name: Annotated[str | None, Query(examples=["a name"])] = None,
        mute: Annotated[str | None, Query()] = None,
    ) -> Response[Page[Thing]]: ...

    @app.post("/things", security=needs("things:write"), status_code=202, openapi_extensions=also(200))
    def make_thing(
        thing: Annotated[Thing, Body()],
        prefer: Annotated[str | None, Header(alias="Prefer")] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Thing]: ...

    @app.patch("/things/<task_id>", security=needs("ops"))
    def change_thing(
        task_id: TaskId, if_match: Annotated[str | None, Header(alias="If-Match")] = None
    ) -> Response[Thing]: ...

    @app.delete("/things", security=needs("things:write"), openapi_extensions=limited("bulk") | also(202))
    def delete_things() -> Response[Thing]: ...

    @app.post("/questions", security=needs("things:read"))
    def ask() -> Response[Thing]: ...

    @app.get("/kinds/<kind>", security=needs("ops"))
    def show_kind(kind: KindName) -> Response[Thing]: ...

    @app.get("/open")
    def show_open() -> Response[Thing]: ...

    return app


@pytest.fixture(scope="module")
def document(app: Api) -> Any:
    return describe(app, "things")


CLASSES = {
    ("GET", "/things"): "read",
    ("POST", "/things"): "write",
    ("PATCH", "/things/<task_id>"): "write",
    ("DELETE", "/things"): "bulk",
    ("POST", "/questions"): "read",
    ("GET", "/kinds/<kind>"): "read",
    ("GET", "/open"): None,
}


def test_a_route_is_of_a_class_by_its_scopes_or_by_its_word(app: Api) -> None:
    assert {(route.method, route.path): class_of(route) for route in app.routes} == CLASSES


def test_the_document_names_the_class(document: Any) -> None:
    told = {
        (method.upper(), path.replace("{", "<").replace("}", ">")): operation.get("x-rate-limit")
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert told == CLASSES


@pytest.mark.parametrize(
    ("path", "method", "present", "absent"),
    [
        ("/things", "get", {"200", "304", "429"}, {"202", "409", "412", "415"}),
        ("/things", "post", {"200", "202", "404", "409", "415", "422"}, {"304", "412"}),
        ("/things/{task_id}", "patch", {"200", "404", "412"}, {"202", "304"}),
        ("/things", "delete", {"200", "202"}, {"304", "412"}),
        ("/open", "get", {"200", "400", "503"}, {"401", "403", "429"}),
    ],
)
def test_answers(document: Any, path: str, method: str, present: set[str], absent: set[str]) -> None:
    answers = document["paths"][path][method]["responses"]
    assert present <= answers.keys()
    assert not absent & answers.keys()


def test_fields_of_answers(document: Any) -> None:
    listed, made = document["paths"]["/things"]["get"], document["paths"]["/things"]["post"]
    limits = {"RateLimit", "RateLimit-Policy"}
    assert listed["responses"]["200"]["headers"].keys() == {"ETag", *limits}
    assert listed["responses"]["304"] == {
        "description": "Not modified",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("ETag", *limits)},
    }
    asked = {"Preference-Applied", "Idempotency-Replayed", *limits}
    assert made["responses"]["202"]["headers"].keys() == {"Location", "Retry-After", *asked}
    assert made["responses"]["200"]["headers"].keys() == asked
    assert made["responses"]["200"]["content"] == made["responses"]["202"]["content"]
    assert "headers" not in document["components"]["responses"]["NotFound"]
    assert document["components"]["headers"].keys() >= {"ETag", "Location", *limits}


def test_a_parameter_without_an_example_has_its_default_or_its_first_value(document: Any) -> None:
    told = {parameter["name"]: parameter for parameter in document["paths"]["/things"]["get"]["parameters"]}
    assert {name: parameter.get("example") for name, parameter in told.items()} == {
        "colour": ["red"],
        "best": "red",
        "page": 1,
        "name": None,
        "mute": None,
    }
    assert told["name"]["schema"]["examples"] == ["a name"]


def test_nothing_of_ours_for_the_document_is_left_in_it(document: Any) -> None:
    assert "x-also" not in str(document)
