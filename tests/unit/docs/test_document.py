"""The published OpenAPI document is what the code says, is valid, and tells the truth about every route."""

import re
import tomllib
from typing import Any

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import OpenAPIMergeError
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, create_model

from docs import document, published
from local.options import ROOT
from longhaul.http import make_app
from longhaul.validation import OWN_ID_PATTERN
from tests.openapi import DOCUMENT, Operation, complaints, example_of, is_bounded, operations, resolved

FOUND_BY_BODY = {"query_page"}  # a campaign
QUESTIONS = {
    "/api/query-task-execution",
    "/api/v1/diagnoses/estimate",
    "/api/v1/videos/estimate",
}  # POSTs that change nothing


def test_it_is_up_to_date() -> None:
    assert published.kept() == document.render(document.make()), "run `make openapi`"


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
    assert set(re.findall(r'"\$ref": "([^"]+)"', published.kept())) == components


OPEN = ("/api/v1/callbacks/{token}",)  # whoever knows the path may


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_operation_is_told_in_full(operation: Operation) -> None:
    told = operation.told
    assert told["summary"]
    assert not told["summary"].startswith(operation.method.upper())
    assert re.fullmatch(r"[a-z_]+", told["operationId"])
    assert set(told["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert bool(operation.scopes) == (operation.path not in OPEN)
    answers = told["responses"]
    assert {"400", "414", "431", "500", "503"} <= answers.keys()
    assert ({"401", "403", "429"} <= answers.keys()) == bool(operation.scopes)
    keyed = [p for p in operation.parameters("header") if p["name"].lower() == "idempotency-key"]
    assert ("404" in answers) == bool("{" in operation.path or str(operation) in FOUND_BY_BODY or keyed)
    assert ("415" in answers) == ("requestBody" in told)
    schemas = [parameter["schema"] for parameter in told.get("parameters", ())]
    options = [option for schema in schemas for option in (schema, *schema.get("anyOf", ()))]
    own_ids = any(option.get("pattern") == OWN_ID_PATTERN for option in options)
    lists = any("items" in option for option in options)
    assert ("422" in answers) == bool("requestBody" in told or lists or keyed or own_ids)
    assert all(
        ("Idempotency-Replayed" in answers[status]["headers"]) == bool(keyed) for status in answers if status < "300"
    )
    assert ("412" in answers) == any(p["name"].lower() == "if-match" for p in operation.parameters("header"))
    good = [answers[status] for status in answers if status < "300"]
    assert good
    assert all(answer["content"] and all("schema" in of for of in answer["content"].values()) for answer in good)


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_parameter_has_a_description_a_bound_and_an_example_within_it(operation: Operation) -> None:
    lacking = []
    for parameter in operation.told.get("parameters", []):
        lacks = [] if parameter.get("description") else ["no description"]
        lacks += [] if is_bounded(parameter["schema"]) else ["no bound: maxLength, pattern, maximum, maxItems, ..."]
        try:
            lacks += complaints(parameter["schema"], example_of(parameter))
        except LookupError:
            lacks.append("no example: examples=[...]")
        lacking += [f"{parameter['in']}/{parameter['name']} has {what}" for what in lacks]
    assert lacking == []


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_body_has_an_example_that_is_one(operation: Operation) -> None:
    if "requestBody" in operation.told:
        schema = operation.told["requestBody"]["content"]["application/json"]["schema"]
        assert complaints(schema, operation.body_example) == []


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_operation_has_its_limit_and_its_answers_tell_it(operation: Operation) -> None:
    # GIVEN what an operation does, by its address
    many = operation.method == "delete" or operation.path.endswith(("/batch", "/actions", "{webhook_id}/replay"))
    reads = operation.method == "get" or operation.path in QUESTIONS

    # THEN one that is open to all counts as nobody's
    if "security" not in operation.told:
        assert "x-rate-limit" not in operation.told
        return

    # AND any other counts as that, and whether it goes on or is refused, the caller can see the quota
    assert operation.told["x-rate-limit"] == ("read" if reads else "bulk" if many else "write")
    for status in operation.told["responses"]:
        if status < "300" or status == "429":
            assert {"RateLimit", "RateLimit-Policy"} <= operation.answer(int(status))["headers"].keys()
    assert "Retry-After" in operation.answer(429)["headers"]


def test_what_an_answer_carries_is_told_with_it() -> None:
    for operation in operations():
        for status in operation.told["responses"]:
            headers = operation.answer(int(status)).get("headers", {})
            assert all(resolved(header)["description"] for header in headers.values())
            assert ("Location" in headers) == (status == "202")
            assert ("content" in operation.answer(int(status))) == (status != "304")
        if "304" in operation.told["responses"]:
            assert "ETag" in operation.answer(200)["headers"]


@pytest.mark.parametrize("name", ["SubmitRequest", "SubmitItem"])
def test_what_each_kind_takes_is_told_where_a_task_is_submitted(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}"}
    kinds = [option["title"] for option in resolved(schema)["oneOf"]]
    assert sorted(kinds) == sorted(kind.name for _, kind in document.kinds())
    assert document.BY_KIND not in published.kept()

    # THEN a kind with its own params is valid, and one with another's, with none, or that is none, is not
    full, province = "hospital_full_refresh", {"province": "广东省"}
    good = [{"kind": full}, {"kind": full, "params": {}}, {"kind": "hospital_province_refresh", "params": province}]
    wrong = [{"kind": full, "params": province}, {"kind": "role_creation", "params": province}]
    assert [complaints(schema, body) for body in good] == [[], [], []]
    assert all(
        complaints(schema, body) for body in [*wrong, {"kind": "hospital_province_refresh"}, {"kind": "no_such"}]
    )


def test_operation_ids_are_unique() -> None:
    ids = [str(operation) for operation in operations()]
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
    monkeypatch.setattr(document, "workload", lambda domain: {})
    modules = {
        "one.serve_one": _app("/a", create_model("Thing", x=(int, 1))),
        "two.serve_two": _app(path, create_model("Thing", **fields)),
    }
    monkeypatch.setattr(document, "http_functions", lambda: list(modules))
    monkeypatch.setattr(document, "import_module", lambda name: modules.get(name, modules["one.serve_one"]))
    with pytest.raises(OpenAPIMergeError, match=complaint):
        document.make()


@pytest.mark.parametrize(("place", "name", "refusal"), [("query", "cursor", 400), ("header", "if-match", 412)])
def test_the_fuzzer_knows_what_it_cannot_make_up(place: str, name: str, refusal: int) -> None:
    """A cursor is sealed, and If-Match names a version. An operation that its configuration lacks fails the build."""
    configuration = tomllib.loads((ROOT / "tests" / "fuzz" / "schemathesis.toml").read_text(encoding="utf-8"))
    tolerant = {
        operation
        for rule in configuration["operations"]
        if refusal in rule["checks"]["positive_data_acceptance"]["expected-statuses"]
        for operation in rule["include-operation-id"]
    }
    refusing = {
        str(operation)
        for operation in operations()
        if any(parameter["name"].lower() == name for parameter in operation.parameters(place))
    }
    assert refusing, f"no operation has {name}"
    assert refusing - tolerant == set(), "add them to tests/fuzz/schemathesis.toml"
