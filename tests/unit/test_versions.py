"""Two versions of the code at once, as during a deployment: what each has stored or sent the other can read.

The texts below were written by the version of 2026-11-29. They stay as they are: a field that is added since has a
default, none is renamed. Tomorrow's texts are the same with fields that this version does not know.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from calls.kinds import CampaignParams
from calls.messages import AnalyseMessage, AssignMessage, RecordingsMessage, SyncMessage
from diagnosis.model import Diagnosis, Extraction
from diagnosis.planning import CellStep, Plan
from diagnosis.report import Outcome, Report
from hospitals.divisions import CitiesPlan, DistrictsPlan, DivisionStep, ProvincesPlan
from longhaul import stored
from longhaul.aws.circuit import OPEN_SECONDS
from longhaul.aws.semaphore import Standing
from longhaul.aws.workflows import Attempt
from longhaul.cache import debounce
from longhaul.http import cursors
from longhaul.tasks import live
from longhaul.tasks.bulk import BulkAction
from longhaul.tasks.filtering import TaskFilter
from longhaul.tasks.lifecycle import Wakeup
from longhaul.tasks.listing import Order, Question, Sort
from longhaul.tasks.model import Status
from longhaul.tasks.progress import Sample
from longhaul.tasks.steps import ProgressEvent
from roles.kinds import RoleCreation
from roles.model import Material, RoleDocument
from tasks import page_answers
from tasks.messages import CloseRequest, ExecutionEnd, FailStepRequest

# Of any keys, and passed on as they are.
FREE = {"statistics", "result", "extras", "links", "detail", "counts", "call_conversation"}

TASK = '"task_id": "province_广东省_20261129_101112_1a2b3c4d", "attempt": 2'
CAUGHT = '{"Error": "ProviderUnavailable", "Cause": "{\\"errorMessage\\": \\"away\\"}"}'
DISTRICT = f'{{{TASK}, "code": "440103", "name": "荔湾区", "within": "广东省广州市"}}'
CELL = f'{{{TASK}, "key": "q01/deepseek"}}'
FIGURES = """"answered": ["q01/deepseek"], "named_in": ["q01/deepseek"], "mention_rate": 1.0, "share_of_voice": 0.5,
    "mean_rank": 2.0, "sentiment": 0.25"""
ROLE = """{"identity": "晨光口腔的小晨", "tone": "亲切", "opening": "您好", "talking_points": ["种植牙"],
    "objections": [{"objection": "太贵", "answer": "可以分期"}], "taboos": ["保证治好"]}"""

# What is read as it was sent or stored, by the model that reads it.
WRITTEN: list[tuple[type[BaseModel], str]] = [
    # Messages of the queues
    (Attempt, f"{{{TASK}}}"),
    (Wakeup, '{"kind": "hospital_province_refresh"}'),
    (ProgressEvent, f'{{{TASK}, "level": "district", "label": "正在获取区县数据：越秀区"}}'),
    (AssignMessage, '{"task_id": "call_campaign_20261129_101112_1a2b3c4d"}'),
    (SyncMessage, '{"task_id": "call_campaign_20261129_101112_1a2b3c4d", "blocks": [0, 1]}'),
    (AnalyseMessage, '{"task_id": "call_campaign_20261129_101112_1a2b3c4d", "job_seq": 7}'),
    (RecordingsMessage, '{"task_id": "call_campaign_20261129_101112_1a2b3c4d", "job_seqs": [7, 8]}'),
    # States of the state machines, to a function and from one
    (DivisionStep, DISTRICT),
    (ProvincesPlan, f'{{"provinces": [{DISTRICT}]}}'),
    (CitiesPlan, f'{{"max_districts_in_flight": 5, "cities": [{DISTRICT}]}}'),
    (DistrictsPlan, f'{{"districts": [{DISTRICT}]}}'),
    (CellStep, CELL),
    (Plan, f'{{"columns": [{{"max_in_flight": 5, "cells": [{CELL}]}}]}}'),
    (CloseRequest, f'{{{TASK}, "outcome": "SUCCEEDED", "result": {{"hospitals": 7}}}}'),
    (CloseRequest, f'{{{TASK}, "outcome": "FAILED", "error": {CAUGHT}}}'),
    (
        FailStepRequest,
        f'{{{TASK}, "key": "district/440103", "level": "district", "error": {CAUGHT}}}',
    ),
    # Params of tasks, which their workers read
    (RoleCreation, '{"task_id": "T-1", "strategy_id": "S-1"}'),
    (
        CampaignParams,
        """{"name": "秋季回访", "script_id": "script-1", "open": true, "max_attempts": 3,
        "leads": [{"leads_id": "L-1", "phone": "+8613800138000", "name": "王女士", "extras": {"city": "广州"}}],
        "strategy": {"working_time": [{"begin": "09:00", "end": "18:00"}], "max_attempts_per_day": 2,
            "min_attempt_interval": 30, "routing": "LocalFirst"}}""",
    ),
    (
        Diagnosis,
        """{"max_cost": "2.5", "max_tokens": 200000, "brand": "星野", "competitors": ["Lumo"],
        "questions": ["20 万元买什么电动车好？"], "models": ["deepseek"], "language": "zh", "continues": null}""",
    ),
    # Outputs of steps, and documents in rows
    (
        Material,
        """{"base_info": {"company": "晨光口腔", "role_name": "小晨", "industry": "口腔医疗", "goal": "邀约到店检查",
            "audience": "老客户", "introduction": "社区诊所"},
        "talk_style": {"tone": "亲切", "phrases": ["您放心"], "avoid": ["保证治好"], "sample": "您好"},
        "products": [{"name": "种植牙", "description": "进口", "price": "6,980 元起", "selling_points": ["终身保修"]}],
        "knowledge": [{"title": "疗程", "content": "三个月"}]}""",
    ),
    (RoleDocument, ROLE),
    (
        Extraction,
        """{"named": true, "rank": 2, "sentiment": 0.25, "named_too": ["Lumo"], "others": ["北辰"],
        "sources": ["https://example.com"], "disputed": false}""",
    ),
    (
        Outcome,
        """{"cells": {"planned": 2, "answered": 1, "failed": 1, "skipped": 0}, "mention_rate": 1.0,
        "share_of_voice": 0.5, "mean_rank": 2.0, "sentiment": 0.25, "tokens": 900, "cost": 0.5}""",
    ),
    (
        Report,
        f"""{{"brand": "星野", "competitors": ["Lumo"],
        "cells": {{"planned": 2, "answered": 1, "failed": 1, "skipped": 0}}, "overall": {{{FIGURES}}},
        "by_model": [{{{FIGURES}, "model": "deepseek"}}],
        "by_question": [{{{FIGURES}, "question": "q01", "text": "20 万元买什么电动车好？"}}],
        "rivals": [{{"name": "Lumo", "mention_rate": 1.0, "share_of_voice": 0.5, "named_in": ["q01/deepseek"]}}],
        "strengths": [{{"question": "q01", "text": "20 万元买什么电动车好？", "mentions": 1, "answers": 1,
            "ahead": [], "cells": ["q01/deepseek"]}}],
        "gaps": [], "left_out": [{{"key": "q01/qwen", "state": "failed", "reason": "away"}}],
        "tokens": 900, "cost": 0.5}}""",
    ),
]
NAMES = [f"{model.__name__}{number}" for number, (model, _) in enumerate(WRITTEN)]


def tomorrows(value: Any) -> Any:
    """The same with a field more in every object."""
    if isinstance(value, list):
        return [tomorrows(item) for item in value]
    if not isinstance(value, dict):
        return value
    more = {name: member if name in FREE else tomorrows(member) for name, member in value.items()}
    return {**more, "added_tomorrow": {"much": 1}}


def holds(read: Any, written: Any) -> bool:
    """Whether all that was written is in what was read."""
    if isinstance(written, dict):
        return all(name in read and holds(read[name], value) for name, value in written.items())
    if isinstance(written, list):
        return len(read) == len(written) and all(map(holds, read, written))
    return bool(read == written)


@pytest.mark.parametrize(("model", "text"), WRITTEN, ids=NAMES)
def test_what_yesterdays_version_wrote_is_read_whole(model: type[BaseModel], text: str) -> None:
    written = json.loads(text)
    assert holds(stored.read(model, written).model_dump(mode="json", by_alias=True), written)


@pytest.mark.parametrize(("model", "text"), WRITTEN, ids=NAMES)
def test_what_tomorrows_version_writes_is_read_without_what_is_new(model: type[BaseModel], text: str) -> None:
    written = json.loads(text)
    assert stored.read(model, tomorrows(written)) == stored.read(model, written)


MESSAGES = [(model, text) for model, text in WRITTEN if model.model_config.get("extra") != "forbid"]


@pytest.mark.parametrize(("model", "text"), MESSAGES, ids=[model.__name__ for model, _ in MESSAGES])
def test_messages_and_states_are_read_so_as_they_are_parsed(model: type[BaseModel], text: str) -> None:
    """Batches parse a message's text, and functions their event, by the model alone."""
    written = json.loads(text)
    assert model.model_validate_json(json.dumps(tomorrows(written))) == model.model_validate(written)


def test_the_end_of_an_execution_is_read_from_any_version() -> None:
    detail = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:RefreshHospitals:7-2",
        "status": "ABORTED",
        "input": f"{{{TASK}}}",
    }
    more = detail | {"input": json.dumps(tomorrows(json.loads(detail["input"]))), "added_tomorrow": 1}
    assert ExecutionEnd.model_validate(more) == ExecutionEnd.model_validate(detail)
    assert ExecutionEnd.model_validate(detail).input.attempt == 2


BULK = '{"action": "cancel", "priority": null, "filter": {"status": ["PENDING"], "kind": ["role_creation"]}}'


def test_a_filter_that_is_not_understood_is_never_left_out() -> None:
    """Less of a filter is more tasks: a bulk action of tomorrow's waits for the version that understands it."""
    written = json.loads(BULK)
    assert BulkAction.model_validate(written).filter.status == [Status.PENDING]
    with pytest.raises(ValidationError, match="added_tomorrow"):
        BulkAction.model_validate(tomorrows(written))


LIVE = """{"task_id": "province_广东省_20261129_101112_1a2b3c4d", "tenant_id": "acme",
    "kind": "hospital_province_refresh", "title": "广东省刷新", "status": "RUNNING", "attempt": 2, "steps_done": 7,
    "progress": 30, "stage": "district", "current_step": "正在获取区县数据：越秀区",
    "statistics": {"districts_processed": 7}, "created_at": "2026-11-29T10:11:12.123456+00:00",
    "updated_at": 1795947072.5, "pace": [[1795947070.5, 0.25], [1795947072.5, 0.3]]}"""


def test_a_live_item_of_yesterdays_and_of_tomorrows() -> None:
    item = live.parse(LIVE)
    assert item is not None
    assert (item.tenant_id, item.steps_done, item.progress) == ("acme", 7, 30)
    assert item.pace == (Sample(1795947070.5, 0.25), Sample(1795947072.5, 0.3))
    assert live.parse(json.dumps(tomorrows(json.loads(LIVE)))) == item
    longer = json.loads(LIVE) | {"pace": [[1795947070.5, 0.25, "new"], [1795947072.5, 0.3, "new"]]}
    assert live.parse(json.dumps(longer)) == item


def test_a_live_item_from_before_there_was_a_pace_has_none_and_one_without_a_needed_field_is_none() -> None:
    written = json.loads(LIVE)
    written.pop("pace")
    item = live.parse(json.dumps(written))
    assert item is not None
    assert item.pace == ()
    written.pop("attempt")
    assert live.parse(json.dumps(written)) is None


LEASES: dict[str, Any] = {
    "circuit": {"S": "slots:llm:deepseek@api.example.com"},
    "slot_0": {"M": {"holder": {"S": "0a1b2c3d"}, "held_until": {"N": "1795947100.000"}}},
    "slot_3": {"M": {"holder": {"S": "4e5f6a7b"}, "held_until": {"N": "1795947000.000"}}},
    "failures": {"N": "5"},
    "failed_at": {"N": "1795947050.000"},
    "expires_at": {"N": "1796033472"},
}


@pytest.mark.parametrize("item", [LEASES, LEASES | {"slot_limit": {"N": "5"}, "slots": {"L": []}}])
def test_leases_of_yesterdays_and_of_tomorrows(item: dict[str, Any]) -> None:
    item = item | {"slot_0": {"M": item["slot_0"]["M"] | {"tenant": {"S": "acme"}}}}
    assert Standing.of(item, 1795947072.5) == Standing(frozenset({0}), 5, 1795947050.0 + OPEN_SECONDS)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (CellStep, f'{{{TASK}, "key": "q01/deepseek", "label": "deepseek · q01"}}'),
        (FailStepRequest, f'{{{TASK}, "key": "q01/deepseek", "level": "cell", "label": "q01", "error": {CAUGHT}}}'),
    ],
)
def test_a_label_that_a_state_carried_until_today_is_ignored(model: type[BaseModel], text: str) -> None:
    assert "label" not in stored.read(model, json.loads(text)).model_dump()


def test_marks_of_yesterdays_and_of_tomorrows() -> None:
    item: dict[str, Any] = {"pk": {"S": "!sync:7:0"}, "asked_at": {"N": "1795947072.5"}}
    assert debounce.mark_of(item | {"added_tomorrow": {"S": "x"}})["asked_at"] == 1795947072.5


QUESTION = Question(
    "acme",
    TaskFilter.model_construct(
        status=[Status.FAILED],
        kind=["role_creation"],
        priority=["high"],
        created_after=datetime(2026, 11, 1, tzinfo=UTC),
        title="口腔",
    ),
    Sort.updated_at,
    Order.asc,
)


@pytest.mark.parametrize(
    ("of", "digest"),
    [
        (QUESTION, "2cd7bfe43033b9a0"),
        (Question("acme"), "0539a1a37dfdddbb"),
        (["events", "acme", "a-task"], "b29e9e9facd17d86"),
    ],
)
def test_a_cursor_names_its_list_as_yesterdays_version_did(of: object, digest: str) -> None:
    assert cursors._digest(page_answers.text_of(of) if isinstance(of, Question) else of) == digest


def test_a_cursor_outlives_a_filter_that_is_added() -> None:
    """Where the newest filter is not asked for, cursors are what they were before there was one."""
    ended = QUESTION.filter.model_copy(update={"ended_after": datetime(2026, 11, 2, tzinfo=UTC)})
    failed = QUESTION.filter.model_copy(update={"error_code": ["bad_answer"]})
    assert "error_code" not in page_answers.text_of(QUESTION)
    assert "error_code" in page_answers.text_of(replace(QUESTION, filter=failed))
    assert "ended_after" not in page_answers.text_of(QUESTION)
    assert "ended_after" in page_answers.text_of(replace(QUESTION, filter=ended)), (
        "asked for, it is a part of the question"
    )
