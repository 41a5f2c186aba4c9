"""The published OpenAPI document is what the code says, is valid, and tells the truth about every route."""

import json
import re
from typing import Any

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import OpenAPIMergeError
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, create_model

from docs import document, published
from longhaul.http import make_app

DOCUMENT: dict[str, Any] = json.loads(published.openapi())
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]


def test_it_is_up_to_date() -> None:
    assert published.openapi() == document.render(document.make()), "run `make openapi`"


def test_it_covers_the_http_functions_and_not_itself() -> None:
    assert {"tasks.serve_tasks", "hospitals.serve_hospitals"} <= set(document.http_functions())
    assert "docs.serve_docs" not in document.http_functions()
    assert {"/api/v1/tasks", "/api/v1/tasks/{task_id}/cancel", "/api/v1/provinces"} <= DOCUMENT["paths"].keys()


def test_it_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_nothing_points_nowhere_and_nothing_is_unused() -> None:
    components = {
        f"#/components/{kind}/{name}"
        for kind, members in DOCUMENT["components"].items()
        for name in members
        if kind != "securitySchemes"
    }
    assert set(re.findall(r'"\$ref": "([^"]+)"', published.openapi())) == components


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_is_told_in_full(path: str, method: str) -> None:
    operation = DOCUMENT["paths"][path][method]
    assert operation["summary"]
    assert not operation["summary"].startswith(method.upper())
    assert re.fullmatch(r"[a-z_]+", operation["operationId"])
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert [scope for requirement in operation["security"] for scope in requirement["bearer"]]
    answers = operation["responses"]
    assert {"400", "401", "403", "500", "503"} <= answers.keys()
    assert ("404" in answers) == ("{" in path)
    assert ("422" in answers) == ("415" in answers) == ("requestBody" in operation)
    good = [answers[status] for status in answers if status < "300"]
    assert good
    assert all("schema" in answer["content"]["application/json"] for answer in good)


def test_operation_ids_are_unique() -> None:
    ids = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert sorted(set(ids)) == sorted(ids)


def test_problems_are_problem_json() -> None:
    for name, response in DOCUMENT["components"]["responses"].items():
        assert list(response["content"]) == ["application/problem+json"], name
    assert "Retry-After" in DOCUMENT["components"]["responses"]["Unavailable"]["headers"]


def _app(path: str, model: type[BaseModel]) -> Any:
    app = make_app()

    @app.get(path)
    def show() -> Any: ...

    show.__annotations__["return"] = model
    return type("Module", (), {"app": app, "__doc__": "A domain."})


@pytest.mark.parametrize(
    ("path", "fields", "complaint"),
    [("/a", {"x": (int, 1)}, "Conflict: GET /a"), ("/b", {"y": (str, "")}, "means another Thing")],
)
def test_a_clash_between_functions_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str, fields: dict[str, Any], complaint: str
) -> None:
    modules = {
        "one.serve_one": _app("/a", create_model("Thing", x=(int, 1))),
        "two.serve_two": _app(path, create_model("Thing", **fields)),
    }
    monkeypatch.setattr(document, "http_functions", lambda: list(modules))
    monkeypatch.setattr(document, "import_module", lambda name: modules.get(name, modules["one.serve_one"]))
    with pytest.raises(OpenAPIMergeError, match=complaint):
        document.make()
