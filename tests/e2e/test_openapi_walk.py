"""Every operation of the OpenAPI document, asked of the running stack with the document's own examples and bounds.

An operation must be met by what is here: it is asked with its examples, real ids in the place of invented ones, of
tasks in every state until one answers 2xx. So a new operation needs a line here only when it takes another sort of id.
"""

import functools
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from alerts.wire import EXAMPLE_ALERT, EXAMPLE_SILENCE
from diagnosis.model import EXAMPLE as DIAGNOSIS
from local.running import Answer, RunningStack
from mail.wire import EXAMPLE_ID as RECIPIENT_ID
from roles.wire import EXAMPLE_ID
from tests.observation import KIND, Observer
from tests.openapi import Operation, complaints, example_of, operations, refused_values, resolved
from videos.conversation_wire import EXAMPLE_ID as EXAMPLE_CONVERSATION
from webhooks.wire import EXAMPLE_DELIVERY
from webhooks.wire import EXAMPLE_ID as WEBHOOK_ID

STATES = ("PENDING", "PAUSED", "FAILED", "SUCCEEDED")  # that a row may be put into: nothing works on it then
CODES = {"provinces": "440000", "cities": "440100", "districts": "440103"}  # of what `directory` makes
ROLE = {
    "identity": "你是小晨。",
    "tone": "亲切",
    "opening": "您好",
    "talking_points": ["检查"],
    "objections": [{"objection": "太贵", "answer": "可分期"}],
    "taboos": ["不承诺疗效"],
}
# Nothing, or not much, is in them here.
ONE_PAGE = {
    "serve_hospitals",
    "serve_district_hospitals",
    "list_roles",
    "list_versions",
    "list_webhooks",
    "list_task_deliveries",
}
OUR_ID = 1_000  # behind those that other tests have had in the same stack
HOLD = {"prefer": "wait=0"}  # an example may ask to wait longer than we do
SCOPES = frozenset(scope for operation in operations() for scope in operation.scopes)

type Row = dict[str, Any]
type Sign = Callable[[frozenset[str]], str]


@pytest.fixture(scope="module", autouse=True)
def directory(caller: Observer) -> Iterator[None]:
    """A city, a district and a hospital, a role with its material, and lanes at rest."""
    now = "UTC_TIMESTAMP(6)"
    caller.sql("UPDATE lanes SET paused = 1")
    caller.sql(f"REPLACE INTO cities VALUES ('440100', '440000', '广州市', 1, {now})")
    caller.sql(f"REPLACE INTO districts VALUES ('440103', '440100', '荔湾区', 1, {now})")
    caller.sql(
        "REPLACE INTO hospitals VALUES ('440103', '广州医院', '三级甲等', '综合医院', '路1号', '020-1', 0.9, 'd', 1, "
        f"'none', NULL, NULL, {now}, {now})"
    )
    caller.sql(f"REPLACE INTO role_base_info VALUES ('local', 'T-1', '晨光口腔', '', '小晨', '', '', '', {now})")
    caller.sql(f"REPLACE INTO roles VALUES (%s, 'local', 'T-1', 'S-1', 1, {now}, {now})", EXAMPLE_ID)
    caller.sql(
        "REPLACE INTO role_versions VALUES (%s, 1, 'none', %s, '[]', '{}', 'none', 'none', 1, 2, 3, 0.5, 1.5, 0, "
        f"{now})",
        EXAMPLE_ID,
        json.dumps(ROLE),
    )
    _alert(caller)
    _silence(caller)
    yield
    for table in (
        "tasks",
        "hospitals",
        "districts",
        "cities",
        "roles",
        "role_base_info",
        "mail_recipients",
        "mail_quotas",
        "webhooks",
        "alerts",
        "alert_silences",
        "conversations",
    ):
        caller.sql(f"DELETE FROM {table}")
    caller.sql("UPDATE lanes SET paused = 0")


@pytest.fixture(scope="module")
def token(stack: RunningStack) -> Sign:
    """token(scopes): signed once for all operations, which costs more than to send a request."""
    return functools.cache(lambda scopes: stack.token(scopes=sorted(scopes)))


class Walker:
    """Asks one operation as the document says, about tasks that are really there."""

    def __init__(self, caller: Observer, operation: Operation, token: str) -> None:
        self.caller, self.operation, self.token = caller, operation, token
        self.task_id = "none"
        self._made: list[str] = []

    @property
    def _names_own(self) -> bool:
        """Its task_id is what a tenant calls a task of its own."""
        return "/role-tasks/" in self.operation.path

    def _tasks(self) -> Iterator[str]:
        """One task in each state, and a campaign; made when they are needed, and met again then."""
        if any(part in self.operation.path for part in ("/diagnoses/{task_id}", "{execution_id}")):
            yield from self._diagnoses()
            return
        if self.operation.path.startswith("/api/v1/videos/{task_id}"):
            yield from self._videos()
            return
        if self.operation.path == "/api/v1/videos":
            list(self._videos())  # so that there is a second page
        if self.operation.path.endswith("/refreshes"):
            self._refresh()
        if self.operation.path.endswith("/changes"):
            self._made = self._made or [self._refresh()]
            yield from self._made
            return
        if self.operation.path == "/api/v1/conversations":
            self._conversation()
        if "{token}" in self.operation.path:
            yield self._awaited()
            return
        if (
            "/role-tasks/" in self.operation.path
            or "task_id" not in f"{self.operation.path} {self.operation.body_example}"
        ):
            yield self.task_id
            return
        yield from self._made
        self.caller.sql("UPDATE lanes SET paused = 1")
        for status in STATES[len(self._made) :]:
            self._made.append(self._task(status))
            yield self._made[-1]
        yield self.caller.call([{"leads_id": "L-1", "phone": "13800138001"}])

    def _awaited(self) -> str:
        """A task with a step that waits for the callback of the example."""
        task_id = self._task("PAUSED")
        self.caller.sql(
            "REPLACE INTO step_callbacks (task_id, step_key, token, attempt, expires_at) "
            "VALUES (%s, 'district/1', %s, 1, '2100-01-01')",
            task_id,
            example_of(self.operation.parameters("path")[0]),
        )
        return task_id

    def _diagnoses(self) -> Iterator[str]:
        """A diagnosis that waits, and one that has ended, of which nothing was answered."""
        for status in STATES:
            params = DIAGNOSIS | {"questions": [f"第 {number} 个问题？" for number in range(1, 9)]}
            made = self.caller.post("/api/v1/tasks", {"kind": "brand_diagnosis", "params": params})
            self.caller.sql("UPDATE tasks SET status = %s WHERE task_id = %s", status, made["task_id"])
            yield made["task_id"]

    def _videos(self) -> Iterator[str]:
        """Videos that wait for the approval of a script and of a storyboard, and one that was made."""
        self.caller.sql("UPDATE lanes SET paused = 1")
        states = (("PAUSED", 0), ("PAUSED", 1), ("SUCCEEDED", 1))
        for status, scenes in states[1:] if "storyboard" in self.operation.path else states:
            made = self.caller.post("/api/v1/tasks", {"kind": "video_generation", "params": {"topic": "tides"}})
            task_id, sql = made["task_id"], self.caller.sql
            sql(
                "UPDATE tasks SET status = %s, error_code = 'awaiting_approval', error_message = '?' "
                "WHERE task_id = %s",
                status,
                task_id,
            )
            content = json.dumps({"title": "Ebb", "summary": "It falls.", "narration": "", "prompt": "a harbour"})
            sql(
                "INSERT INTO scripts (task_id, version, content, created_at) VALUES (%s, 1, %s, UTC_TIMESTAMP(6))",
                task_id,
                content,
            )
            for number in range(1, scenes + 1):
                sql(
                    "INSERT INTO storyboards (task_id, sequence_number, version, content, created_at) "
                    "VALUES (%s, %s, 1, %s, UTC_TIMESTAMP(6))",
                    task_id,
                    number,
                    content,
                )
            yield task_id

    def _refresh(self) -> str:
        """The last of two refreshes that have begun, which has added two hospitals."""
        for number in (1, 2):
            made = self.caller.post(
                "/api/v1/tasks",
                {"kind": "hospital_province_refresh", "title": f"第 {number} 次", "params": {"province": "广东"}},
            )
            task_id: str = made["task_id"]
            self.caller.sql("UPDATE tasks SET started_at = UTC_TIMESTAMP(6) WHERE task_id = %s", task_id)
        for name in ("甲医院", "乙医院"):
            self.caller.sql(
                "REPLACE INTO hospitals VALUES ('440103', %s, '三级甲等', '综合医院', '路1号', '020-1', 0.9, 'd', 1, "
                "%s, NULL, NULL, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
                name,
                task_id,
            )
        return task_id

    def _conversation(self) -> str:
        """One of two, with two messages."""
        for number, conversation_id in enumerate((EXAMPLE_CONVERSATION, f"conv_{0:032}"), OUR_ID):
            self.caller.sql(
                "INSERT IGNORE INTO conversations VALUES (%s, %s, 'local', 'ada', '', '{}', 2, '2026-12-01', "
                "'2026-12-01')",
                number,
                conversation_id,
            )
            for position in (1, 2):
                self.caller.sql(
                    "INSERT IGNORE INTO messages VALUES (%s, %s, 'user', 'tides', '2026-12-01')", number, position
                )
        return EXAMPLE_CONVERSATION

    def _task(self, status: str) -> str:
        """A task in this state, with more than one event and step, so that their lists have a second page."""
        task_id, sql = self.caller.submit("澳门"), self.caller.sql
        for number in (1, 2):
            sql(
                "INSERT INTO task_steps (task_id, step_key, level, label, status, attempt, ordinal, created_at) "
                "VALUES (%s, %s, 'district', '荔湾区', 'SUCCEEDED', 1, %s, UTC_TIMESTAMP(6))",
                task_id,
                f"district/{number}",
                number,
            )
            sql(
                "INSERT INTO task_events (task_id, attempt, event, status, created_at) "
                "VALUES (%s, %s, 'started', 'RUNNING', UTC_TIMESTAMP(6))",
                task_id,
                number,
            )
        sql("UPDATE tasks SET status = %s WHERE task_id = %s", status, task_id)
        return task_id

    def ask(
        self, query: Row | None = None, headers: Row | None = None, token: str | None = None, body: Any = None
    ) -> Answer:
        """The operation with its examples and these beside; the answer is one that the document tells of."""
        path = self.operation.path
        for parameter in self.operation.parameters("path"):
            path = path.replace(f"{{{parameter['name']}}}", quote(str(self._value(parameter))))
        given = {name: value for name, value in (headers or {}).items() if name.lower() != "idempotency-key"}
        if headers and given.keys() != headers.keys():
            given["Idempotency-Key"] = secrets.token_hex(8)  # each request is another
        texts = {name: _text(value) for name, value in {**self._needed("query"), **(query or {})}.items()}
        answer = self.caller.request(
            self.operation.method.upper(),
            f"{path}?{urlencode(texts)}" if texts else path,
            json=self._body(self.operation.body_example) if body is None else body,
            headers={**self._needed("header"), **given},
            token=self.token if token is None else token,
        )
        self._assert_told(answer)
        return answer

    def ask_well(self, **asked: Any) -> Answer:
        """The first good answer of the tasks in all their states; each of the others is one that the document tells."""
        answers = []
        for task_id in self._tasks():
            self.task_id = task_id
            answers.append(self.ask(**asked))
            if answers[-1].status < 300:
                return answers[-1]
        raise AssertionError(f"{self.operation} can not be called: {[(a.status, a.body.decode()) for a in answers]}")

    def _assert_told(self, answer: Answer) -> None:
        told = f"{self.operation} answers {answer.status}: {answer.body.decode()[:1000]}"
        assert str(answer.status) in self.operation.told["responses"], told
        assert answer.status < 500, told
        contents = self.operation.answer(answer.status).get("content", {None: {}})
        media_type = answer.headers.get("content-type")
        assert media_type in contents, told
        if media_type:
            body = answer.json() if media_type.endswith("json") else answer.body.decode()
            assert complaints(contents[media_type]["schema"], body) == [], told

    def _recipient(self) -> str:
        """One who was asked to confirm; made when there is none, or none any more."""
        self.caller.sql(
            "INSERT IGNORE INTO mail_recipients (recipient_id, tenant_id, address, address_key, language, status, "
            "created_at) VALUES (%s, 'local', 'eve@example.com', 'eve@example.com', 'en', 'pending', '2026-12-01')",
            RECIPIENT_ID,
        )
        return RECIPIENT_ID

    def _webhook(self) -> str:
        """One with two deliveries, as new but paused: nothing is posted."""
        self.caller.sql(
            "INSERT INTO webhooks (webhook_id, tenant_id, url, paused, secret, created_at, updated_at) "
            "VALUES (%s, 'local', 'https://hooks.example.com/', 1, 'whsec_AAAA', '2026-12-01', '2026-12-01') "
            "ON DUPLICATE KEY UPDATE tenant_id = 'local', disabled_at = NULL, paused = 1, secret = 'whsec_AAAA'",
            WEBHOOK_ID,
        )
        for delivery_id in (EXAMPLE_DELIVERY, f"msg_{0:032}"):
            self.caller.sql(
                "INSERT IGNORE INTO webhook_deliveries (delivery_id, webhook_id, tenant_id, notice_id, event, body, "
                "status, created_at) "
                "VALUES (%s, %s, 'local', %s, 'longhaul.webhook.test', '{}', 'FAILED', '2026-12-01')",
                delivery_id,
                WEBHOOK_ID,
                delivery_id,
            )
        return WEBHOOK_ID

    def _needed(self, place: str) -> Row:
        return {p["name"]: self._value(p) for p in self.operation.parameters(place) if p["required"]}

    def _value(self, parameter: Row) -> Any:
        match parameter["name"]:
            case "task_id" | "execution_id" if (
                "/role-tasks/" not in self.operation.path
            ):  # there it is the tenant's own
                return self.task_id
            case "code":
                return CODES[self.operation.path.split("/")[3]]
            case "kind" if parameter["in"] == "path":
                return KIND
            case "webhook_id":
                return self._webhook()
            case "recipient_id":
                return self._recipient()
            case "alert_id":
                return _alert(self.caller)
            case "silence_id":
                return _silence(self.caller)
            case "conversation_id":
                return self._conversation()
        return HOLD.get(parameter["name"].lower(), example_of(parameter))

    def _body(self, example: Any) -> Any:
        """The example about a task that is there."""
        match example:
            case {"task_id": _, **others}:
                return {"task_id": self.task_id} | self._body(others)
            case {"task_ids": _, **others}:
                return {"task_ids": [self.task_id]} | self._body(others)
            case dict():
                return {name: self._body(value) for name, value in example.items()}
            case list():
                return [self._body(value) for value in example]
        return example


@pytest.fixture(params=operations(), ids=str)
def walker(request: pytest.FixtureRequest, caller: Observer, token: Sign) -> Walker:
    return Walker(caller, request.param, token(SCOPES))


def test_it_answers_as_the_document_says(walker: Walker) -> None:
    answer, operation = walker.ask_well(), walker.operation
    if answer.headers.get("content-type", "").endswith("json"):
        assert not answer.json().get("refused"), "some of what the example asks for is refused"
    limit = operation.told.get("x-rate-limit", "read")  # one that is open to all has none
    assert answer.headers.get("ratelimit-policy", '"read"').startswith(f'"{limit}"')
    assert ("ratelimit" in answer.headers) == (limit != "read")
    assert {"x-request-id", "x-content-type-options"} <= answer.headers.keys()

    # Whoever has this version already: 304 where the document says so, and only there.
    assert ("etag" in answer.headers) == ("304" in operation.told["responses"])
    if etag := answer.headers.get("etag"):
        assert walker.ask(headers={"If-None-Match": etag}).status == 304


def test_each_of_its_parameters_may_be_given(walker: Walker) -> None:
    optional = [p for place in ("query", "header") for p in walker.operation.parameters(place) if not p["required"]]
    for parameter in optional:
        name, place = parameter["name"], {"query": "query", "header": "headers"}[parameter["in"]]
        if name == "cursor" and str(walker.operation) in ONE_PAGE:
            continue
        value = _cursor(walker) if name == "cursor" else walker._value(parameter)
        if name.lower() == "if-match":
            walker.task_id = next(walker._tasks())
            assert walker.ask(headers={name: value}).status == 412
        else:
            walker.ask_well(**{place: {name: value}})


def test_what_is_out_of_bounds_or_unknown_is_400(walker: Walker) -> None:
    assert walker.ask({"no_such_parameter": "1"}).status == 400
    refused = {p["name"]: list(refused_values(p["schema"])) for p in walker.operation.parameters("query")}
    assert all(refused.values())
    for number in range(max(map(len, refused.values()), default=0)):
        # One of each parameter in a request: every one that is wrong is named.
        query = {name: values[number] for name, values in refused.items() if number < len(values)}
        answer = walker.ask(query)
        assert answer.status in (400, 422), query
        named = {error["pointer"].split("/")[1] for error in answer.json()["errors"]}
        if answer.status == 422:  # empty lists are found first, and named together
            assert named == {name for name in query if query[name] == ""} & named != set()
        else:
            assert named == query.keys()


def test_a_body_that_does_not_fit_is_refused(walker: Walker) -> None:
    if "requestBody" in walker.operation.told:
        assert walker.ask(body=[]).status == 422
        content = walker.operation.told["requestBody"]["content"]["application/json"]
        if resolved(content["schema"]).get("additionalProperties"):
            return
        assert walker.ask(body={"no_such_field": 1}).status == 422
        assert walker.ask(body={**walker.operation.body_example, "no_such_field": 1}).status == 422


def test_who_may_not_is_refused(walker: Walker, token: Sign) -> None:
    if not walker.operation.scopes:
        return
    assert walker.ask(token="").status == 401
    assert walker.ask(token=token(SCOPES - set(walker.operation.scopes))).status == 403


def _alert(caller: Observer) -> str:
    """One that fires, whatever an evaluation has made of it, and another."""
    for alert_id in (EXAMPLE_ALERT, f"alert_{0:032}"):
        caller.sql(
            "INSERT INTO alerts (alert_id, tenant_id, rule, subject, open, state, severity, value, threshold, message,"
            " created_at, updated_at)"
            " VALUES (%s, 'local', 'budget', %s, 1, 'firing', 'warning', 1, 1, 'm', '2026-12-01', '2026-12-01')"
            " ON DUPLICATE KEY UPDATE open = 1, state = 'firing', resolved_at = NULL",
            alert_id,
            alert_id,
        )
    return EXAMPLE_ALERT


def _silence(caller: Observer) -> str:
    """One, and another, which have ended."""
    for silence_id in (EXAMPLE_SILENCE, f"silence_{0:032}"):
        caller.sql(
            "INSERT IGNORE INTO alert_silences (silence_id, tenant_id, user_id, ends_at, created_at)"
            " VALUES (%s, 'local', 'ada', '2026-11-30', '2026-11-29')",
            silence_id,
        )
    return EXAMPLE_SILENCE


def _cursor(walker: Walker) -> str:
    """Where the second page begins, by the answer with the first, of one item."""
    for _ in range(2):
        walker.caller.submit("澳门")
    size = next(p["name"] for p in walker.operation.parameters("query") if p["name"] in ("limit", "page_size"))
    cursor: str | None = walker.ask_well(query={size: 1}).json()["next_cursor"]
    assert cursor, "there is no second page"
    return cursor


def _text(value: Any) -> str:
    """As a query has it: lists with commas."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
