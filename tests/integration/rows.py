"""Rows in every table, enough of them that a plan without an index would show; and a sample of each parameter."""

from datetime import datetime, timedelta
from typing import Any

from longhaul.database import Opened
from longhaul.tasks.listing import NARROWING

CAMPAIGN_ID = "call_campaign_20261122_143052_00000003"
TASK_ID = "province_广东省_20261122_143052_00000007"
DIAGNOSIS_IDS = [f"province_广东省_20261122_143052_{number:08x}" for number in (7, 8)]
ROLE_ID = "role_" + "7".zfill(32)
STATUSES = ("SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELLED", "PENDING", "RUNNING")
KINDS = ("hospital_province_refresh", "hospital_full_refresh")
BEGIN = datetime(2026, 11, 1)
NEWS = (
    '{"task_id": "a", "kind": "b", "title": "c", "event": "failed", "reason": "d", "at": "2026-12-01T02:00:00.123000Z"}'
)

# A value for each named parameter of any query, of the type that its callers give.
SAMPLES: dict[str, Any] = {
    "added": 2,
    "after_district_code": "440103",
    "after_id": 0,
    "after_key": "district/20",
    "after_name": "医院 7",
    "after_role_id": "role_" + "9".zfill(32),
    "after_updated_at": "2026-11-20 00:00:00",
    "after_version": 3,
    "answer": "推荐蔚来。",
    "any_created": False,
    "any_end": False,
    "any_error": False,
    "any_id": False,
    "any_kind": False,
    "as_failed": ["failed", "cancelled"],
    "any_level": False,
    "any_other_error": False,
    "any_priority": False,
    "any_status": False,
    "any_strategy": True,
    "any_title": False,
    "assigned": 2,
    "attempt": 1,
    "attempts": 1,
    "audience": "客户",
    "avoid": "[]",
    "batch": 0,
    "before_id": 1_000_000_000,
    "before_start": "2026-11-02T00:00:00",
    "begun": False,
    "block": 0,
    "callbacks": None,
    "cell_key": "q07/deepseek",
    "cell_keys": ["q07/deepseek", "q08/qwen"],
    "changes": ["added", "changed", "gone"],
    "channel": "sockets",
    "city_code": "440100",
    "code": "440104",
    "codes": ["440103", "440104"],
    "company": "晨光口腔",
    "completion_tokens": 200,
    "content": "{}",
    "cost": "0.0042",
    "created_after": "2026-11-01",
    "created_before": "2026-12-01",
    "current_step": "正在获取区县数据：越秀区",
    "days": 7,
    "deadline": None,
    "delay_microseconds": 1_000_000,
    "detail": None,
    "district_code": "440104",
    "ended": 1,
    "ended_after": "2026-11-02",
    "ended_before": "2026-12-01",
    "error_code": "bad_answer",
    "error_codes": ["bad_answer", "deadline_exceeded"],
    "error_message": "no JSON",
    "estimated": False,
    "event": "start",
    "execution_prefix": "arn:aws:states:eu-central-1:123456789012:execution:RefreshHospitals:",
    "extraction": "{}",
    "first": 29_000_000,
    "first_at": BEGIN + timedelta(hours=1),
    "first_block": 0,
    "first_code": "440000",
    "first_id": 100,
    "first_seq": 1,
    "follow_time": "2026-11-24 10:00:00.000",
    "former_id": DIAGNOSIS_IDS[1],
    "goal": "邀约",
    "id": 6,
    "hours": 24,
    "idempotency_key": "key-1",
    "idempotency_keys": ["key-1", "key-2"],
    "ids": [1, 2],
    "industry": "口腔",
    "introduction": "诊所",
    "is_arrive": True,
    "is_interested": True,
    "job_group_id": "group-1",
    "job_seq": 7,
    "kind": KINDS[0],
    "kinds": list(KINDS),
    "label": "越秀区",
    "last": 29_000_180,
    "last_bucket": 46,
    "last_at": BEGIN + timedelta(hours=2),
    "last_block": 1,
    "last_code": "449999",
    "last_id": 198,
    "last_seq": 20,
    "leads_id": "L-new",
    "leads_ids": ["L-3", "L-4"],
    "leads_remark": "客户感兴趣。",
    "left_out": "{}",
    "later": False,
    "level": "三级甲等",
    "levels": ["三级甲等", "二级甲等"],
    "limit": 20,
    "read": 5_000,
    "looked_at": 100,
    "made_by": TASK_ID,
    "max_concurrent": 5,
    "max_cost": 2.5,
    "max_queued": 1000,
    "max_retries": 3,
    "max_scheduled": 1000,
    "max_tokens": 1000,
    "minutes": 4_320,
    "packed": b"{}",
    "start": 29_000_000,
    "microseconds": 30_000_000,
    "missing": "[]",
    "max_params_bytes": 65536,
    "model": "deepseek",
    "names": ["医院1", "医院2"],
    "next_follow_time": None,
    "offset": 40,
    "open": False,
    "open_key": "7".zfill(64),
    "open_keys": ["7".zfill(64), ""],
    "other_error_codes": ["no_answer"],
    "output": "{}",
    "params": "{}",
    "pattern": "医院1%",
    "paused": None,
    "phones": ["+8613800000003", "+8613800000004"],
    "phrases": "[]",
    "priorities": [0, 1],
    "priority": 0,
    "progress": 50,
    "prompt": "9f86d081884c",
    "prompt_tokens": 300,
    "provider_state": "suspended",
    "province": "广东省",
    "province_code": "440000",
    "province_kind": KINDS[0],
    "reader": "tenant-7",
    "recording_state": "ready",
    "recording_url": "s3://recordings/1.wav",
    "report": "{}",
    "request_digest": "0" * 64,
    "request_id": f"{7:064}",
    "requests": 1,
    "result": "{}",
    "role_id": ROLE_ID,
    "role_name": "小晨",
    "rows": "[]",
    "run_after": None,
    "sample": "您好",
    "seconds": 30,
    "seconds_allowed": 7200,
    "size": 100,
    "skipped": 0,
    "span": 1,
    "sources": ["RUNNING", "PENDING"],
    "stage": "district",
    "statistics": "{}",
    "status": "SUCCEEDED",
    "statuses": ["PENDING", "RUNNING", "PAUSED", "SUCCEEDED", "FAILED", "CANCELLED"],
    "step": 5,
    "step_key": "district/7",
    "step_keys": ["district/440103", "district/440104"],
    "steps": '[{"step_key": "district/440104", "level": "district", "label": "越秀区"}]',
    "steps_done": 5,
    "stopped": False,
    "strategy_id": "S-1",
    "target": "FAILED",
    "task_id": TASK_ID,
    "task_ids": [TASK_ID],
    "tenant_id": "tenant-7",
    "tenant_ids": ["tenant-7", "tenant-8"],
    "title": "广东省刷新",
    "token": "0123456789abcdef",
    "reserved_cost": "0.0042",
    "reserved_tokens": 100,
    "tokens": 100,
    "tone": "亲切",
    "traceparent": None,
    "turn": 7.5,
    "units": 18,
    "user_id": "ada",
    "version": None,
}

# Where a domain's rows have other keys.
OF_DOMAIN: dict[str, dict[str, Any]] = {
    "alerts": {
        "after_id": 100,
        "alert_id": f"alert_{7:032x}",
        "comment": "a release",
        "critical": 7_200.0,
        "days": 3650,  # few rows are so old
        "enabled": True,
        "ends_at": "2026-12-01 02:00:00",
        "event": "firing",
        "first": 28_999_920,
        "hold_seconds": 60,
        "kinds": list(KINDS),
        "least": 0.1,
        "looked_at": 100,
        "message": "runs for 1.2 h",
        "microseconds": 3_600_000_000,
        "min_ended": 20,
        "rule": "running_long",
        "rules": ["running_long", "failed_share"],
        "severities": ["warning", "critical"],
        "severity": "warning",
        "silence_id": f"silence_{7:032x}",
        "silenced": False,
        "span": 60,
        "state": "firing",
        "states": ["pending", "firing", "resolved"],
        "status": "RUNNING",
        "statuses": ["RUNNING", "PAUSED"],
        "subject": TASK_ID,
        "threshold": 3_600.0,
        "notify": True,
        "notified_at": "2026-11-20 00:00:00",
        "value": 4_321.5,
        "any_tenant": False,
        "warning": 3_600.0,
    },
    "calls": {"task_id": CAMPAIGN_ID},
    "diagnosis": {"task_id": DIAGNOSIS_IDS[0], "changes_cost": True, "changes_tokens": False},
    "mail": {
        "address": "new@example.com",
        "address_key": "new@example.com",
        "again": True,
        "claims": 0,
        "digest": f"{7:064}",
        "kinds": None,
        "language": "en",
        "last_id": 7,
        "notice_id": "0000000000000007.00000000",
        "purpose": "confirm",
        "reason": "no such mailbox",
        "recipient_id": f"recipient_{7:032x}",
        "recipient_ids": [f"recipient_{7:032x}", f"recipient_{8:032x}"],
        "rows": f'[{{"recipient_id": "recipient_{7:032x}", "notice_id": "8", "news": "{{}}"}}]',
        "status": "unsubscribed",
        "subject": f"{7:064}",
    },
    "roles": {"task_id": "T-7"},
    "videos": {
        "bytes": 100_000,
        "content_type": "video/mp4",
        "edited_by": None,
        "has_audio": True,
        "height": 90,
        "author": "user",
        "before_id": 700,
        "brief": None,
        "content": "{}",
        "conversation_id": f"conv_{7:032x}",
        "id": 7,
        "after": 0,
        "position": 900,
        "seen": 7,
        "title": "",
        "job_id": f"job-{7:08}",
        "job_ids": [f"job-{7:08}", "new"],
        "kind": "film",
        "object_key": "tenant-7/video/000/film-1.mp4",
        "rows": '[{"sequence_number": 900, "version": 1, "content": {"title": "x"}}]',
        "sequence_number": 1,
        "step_key": "clip/007",
        "version": 99,
        "width": 160,
        "fingerprint": f"{7:064}",
    },
    "webhooks": {
        "after_created_at": "1000-01-01",
        "after_webhook_id": "",
        "allowed": 432_000,
        "answer": "thanks",
        "body": "{}",
        "days": 3650,  # few rows are so old
        "delivery_id": f"msg_{7:032x}",
        "error": "no answer within 15 s",
        "event": "longhaul.task.succeeded",
        "events": None,
        "gone": False,
        "kinds": None,
        "latency_ms": 12,
        "notice_id": "0000000000000007.00000000",
        "notice_ids": ["0000000000000007.00000000"],
        "paused": False,
        "renewed": False,
        "salt": "0123456789abcdef",
        "secret": "whsec_" + "A" * 43 + "=",
        "since": "2026-11-01",
        "status_code": 200,
        "statuses": ["PENDING", "SUCCEEDED", "FAILED"],
        "title": "hooks",
        "tries": 1,
        "url": "https://hooks.example.com/7",
        "webhook_id": f"wh_{7:032x}",
        "webhook_ids": [f"wh_{7:032x}"],
    },
    "workloads": {
        "after": 0,
        "any_stage": False,
        "any_tenant": False,
        "body": "{}",
        "fence": 0,
        "first": 1,
        "fraction": 0.5,
        "last": 20,
        "memory": "{}",
        "planned_in": 1,
        "reserved": "0.5",
        "spent": "0.1",
        "step_key": "district/9",
        "step_keys": ["district/9", "district/11"],
        "token": "t".zfill(43),
        "tries": 0,
        "uncounted": 1,
        "wakeup": "a-task-token",
    },
}
# Where a query wants another value: what it inserts must be new.
OTHER: dict[str, dict[str, Any]] = {
    "insert_conversation": {"conversation_id": "conv_new"},
    "insert_task": {"task_id": "new", "idempotency_key": "new", "open_key": "new"},
    **{name: {"rows": '[["tenant-7", 3]]'} for name in ("advance_tenants", "weigh_tenants")},
    "insert_recipient": {"recipient_id": f"recipient_{1 << 64:032x}"},
    "insert_token": {"digest": "new"},
    "insert_webhook": {"webhook_id": "wh_new"},
    "open_alert": {"alert_id": "alert_new"},
    "insert_silence": {"silence_id": "silence_new"},
    "insert_delivery": {"delivery_id": "msg_new", "notice_id": "test.new"},
    "insert_latency_report": {"tallies": "{}"},
    "sum_steps": {"events": ["succeeded", "failed"]},
    "sum_step_buckets": {"events": ["succeeded", "failed"]},
    **{
        name: {"rows": '[["tenant-7", "hospital_full_refresh", 29000037, "succeeded", 3, 1]]'}
        for name in ("add_to_rollups", "add_to_totals", "delete_counts")
    },
    "insert_request": {"request_id": f"{8:064}"},
    "save_products": {"rows": '[{"name": "种植牙", "description": "", "price": "", "selling_points": ["x"]}]'},
    "save_knowledge": {"rows": '[{"title": "疗程", "content": "三个月"}]'},
}


# Where names stand in a query: every choice of them, with a value that fits.
CHOSEN: dict[str, list[dict[str, Any]]] = {
    "count_tasks": [{"names": {"index": index}} for index in sorted(NARROWING)],
    "count_titles": [{"names": {"sort": "created_at", "order": "desc", "index": index}} for index in sorted(NARROWING)],
    "list_tasks": [
        {"names": {"sort": sort, "order": order, "beyond": beyond, "index": index}, "value": value}
        for sort, value in (("created_at", BEGIN), ("updated_at", BEGIN), ("priority", 1), ("progress", 50))
        for order, beyond in (("asc", ">"), ("desc", "<"))
        for index in sorted({f"tasks_by_{sort.removesuffix('_at')}", *NARROWING})
    ],
}


def fill(connection: Opened, share: float = 1.0) -> None:
    """3,000 tasks of 30 tenants, 3,000 steps of 20 tasks, 340 cities, 2,900 districts, 8,700 hospitals, 9,000 leads of
    90 campaigns with their follow-ups, the material of 500 roles, 6,000 versions of 3,000; or a share."""
    tables = {
        "tasks": [_task(number) for number in range(int(3000 * share))],
        "task_steps": [_step(number) for number in range(int(3000 * share))],
        "step_reports": [_of_step(number) | {"fraction": 0.5} for number in range(max(10, int(1000 * share)))],
        "step_callbacks": [_callback(number) for number in range(max(10, int(1000 * share)))],
        "task_spending": [{"task_id": _task_id(number), "spent": 1} for number in range(max(10, int(1000 * share)))],
        "step_spending": [_of_step(number) | {"spent": 1} for number in range(max(10, int(1000 * share)))],
        "scripts": [_script(number) for number in range(max(10, int(1000 * share)))],
        "storyboards": [_scene(number) for number in range(max(10, int(3000 * share)))],
        "resources": [_resource(number) for number in range(max(10, int(6000 * share)))],
        "conversations": [_conversation(number) for number in range(1, max(10, int(1000 * share)))],
        "messages": [_message(number) for number in range(max(10, int(3000 * share)))],
        "video_jobs": [_video_job(number) for number in range(max(10, int(3000 * share)))],
        "video_creates": [_video_create(number) for number in range(max(10, int(1000 * share)))],
        "task_events": [_event(number) for number in range(int(3000 * share))],
        "webhook_tenants": [_webhook_tenant(number) for number in range(30)],
        "webhooks": [_webhook(number) for number in range(max(30, int(1000 * share)))],
        "webhook_deliveries": [_webhook_delivery(number) for number in range(max(30, int(6000 * share)))],
        "control_requests": [_control_request(number) for number in range(max(10, int(3000 * share)))],
        "lanes": [{"kind": kind, "max_concurrent": 5, "max_queued": 1000} for kind in KINDS],
        "notice_listeners": [_listener(number) for number in range(max(10, int(1000 * share)))],
        "task_counts": [
            _tally(number) | {"minute": 29_000_000 + number, "writer": 1}
            for number in range(max(10, int(3000 * share)))
        ],
        "task_rollups": [
            _tally(number) | {"start": 29_000_000 + number, "span": 1} for number in range(max(10, int(3000 * share)))
        ],
        "latency_reports": [{"made_at": BEGIN, "tallies": "{}"} for _ in range(max(10, int(1000 * share)))],
        "latency_rollups": [
            {"span": 60, "start": 29_000_000 + 60 * number, "tallies": "{}"}
            for number in range(max(10, int(1000 * share)))
        ],
        "alerts": [_alert(number) for number in range(max(10, int(3000 * share)))],
        "alert_events": [_alert_event(number) for number in range(max(10, int(3000 * share)))],
        "alert_rules": [_alert_rule(number) for number in range(max(10, int(1000 * share)))],
        "alert_silences": [_silence(number) for number in range(max(10, int(3000 * share)))],
        "task_totals": [
            _tally(number) | {"start": 29_000_000 + number, "span": 1, "bucket": 0}
            for number in range(max(10, int(3000 * share)))
        ],
        "lane_tenants": [_lane_tenant(number) for number in range(max(10, int(3000 * share)))],
        "cities": [_city(number) for number in range(int(340 * share))],
        "districts": [_district(number) for number in range(int(2900 * share))],
        "hospitals": [_hospital(number) for number in range(int(8700 * share))],
        "call_campaigns": [_campaign(number) for number in range(max(10, int(500 * share)))],
        "call_counts": [_count(number) for number in range(max(10, int(3000 * share)))],
        "call_blocks": [_block(number) for number in range(max(10, int(3000 * share)))],
        "leads_task_list": [_lead(number) for number in range(max(10, int(9000 * share)))],
        "diagnoses": [_diagnosis(number) for number in range(max(10, int(1000 * share)))],
        "diagnosis_cells": [_diagnosis_cell(number) for number in range(max(10, int(3000 * share)))],
        "dcc_leads_follow": [_follow(number) for number in range(max(10, int(9000 * share)))],
        "role_base_info": [_base_info(number) for number in range(max(10, int(500 * share)))],
        "role_talk_styles": [_talk_style(number) for number in range(max(10, int(500 * share)))],
        "role_knowledge": [_knowledge(number) for number in range(max(10, int(3000 * share)))],
        "role_products": [_product(number) for number in range(max(10, int(3000 * share)))],
        "roles": [_role(number) for number in range(max(10, int(3000 * share)))],
        "mail_recipients": [_recipient(number) for number in range(max(10, int(3000 * share)))],
        "mail_news": [_news(number) for number in range(max(10, int(3000 * share)))],
        "mail_tokens": [_token(number) for number in range(max(10, int(3000 * share)))],
        "mail_quotas": [_quota(number) for number in range(max(10, int(3000 * share)))],
        "role_versions": [_version(number) for number in range(max(20, int(6000 * share)))],
    }
    with connection.cursor() as cursor:
        cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
        for table, rows in tables.items():
            cursor.execute(f"DELETE FROM {table}")
            columns = ", ".join(rows[0])
            values = ", ".join(f"%({column})s" for column in rows[0])
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({values})", rows)
        cursor.execute("SET FOREIGN_KEY_CHECKS = 1")
    connection.commit()
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ANALYZE TABLE {table}")
            cursor.fetchall()


def _task_id(number: int) -> str:
    return f"province_广东省_20261122_143052_{number:08x}"


def _task(number: int) -> dict[str, Any]:
    created = BEGIN + timedelta(minutes=number)
    return {
        "task_id": _task_id(number),
        "tenant_id": f"tenant-{number % 30}",
        "user_id": "ada",
        "kind": KINDS[number % 2],
        "title": "广东省刷新",
        "params": "{}",
        "status": STATUSES[number % 7],
        "priority": number % 3,
        "attempt": 1,
        "max_retries": 3,
        "run_after": created,
        "deadline": created + timedelta(hours=2),
        "heartbeat_at": created,
        "idempotency_key": f"key-{number}",
        "dedupe_key": f"{number:064}",
        "request_digest": "0" * 64,
        "created_at": created,
        "updated_at": created,
    }


def _alert(number: int) -> dict[str, Any]:
    is_open = number % 50 == 0
    return {
        "alert_id": f"alert_{number:032x}",
        "tenant_id": f"tenant-{number % 30}",
        "rule": ("running_long", "failed_share")[number % 2],
        "subject": _task_id(number),
        "open": 1 if is_open else None,
        "state": "firing" if is_open else "resolved",
        "severity": ("warning", "critical")[number % 2],
        "value": 4_000.0,
        "threshold": 3_600.0,
        "message": "runs for 1.1 h",
        "resolved_at": None if is_open else BEGIN + timedelta(minutes=number),
        "created_at": BEGIN + timedelta(minutes=number),
        "updated_at": BEGIN + timedelta(minutes=number),
    }


def _alert_event(number: int) -> dict[str, Any]:
    return {
        "alert_id": f"alert_{number:032x}",
        "event": "firing",
        "severity": "warning",
        "value": 4_000.0,
        "threshold": 3_600.0,
        "message": "runs for 1.1 h",
        "unsent": 1 if number % 100 == 0 else None,
        "created_at": BEGIN + timedelta(minutes=number),
    }


def _alert_rule(number: int) -> dict[str, Any]:
    return {
        "tenant_id": f"tenant-{number}",
        "rule": "running_long",
        "enabled": True,
        "hold_seconds": 0,
        "updated_at": BEGIN,
    }


def _silence(number: int) -> dict[str, Any]:
    return {
        "silence_id": f"silence_{number:032x}",
        "tenant_id": f"tenant-{number % 30}",
        "user_id": "ada",
        "ends_at": BEGIN + timedelta(minutes=number),
        "created_at": BEGIN,
    }


def _step(number: int) -> dict[str, Any]:
    return {
        "task_id": _task_id(number % 20),
        "step_key": f"district/{number}",
        "level": ("city", "district")[number % 2],
        "label": f"区{number}",
        "status": ("SUCCEEDED", "SUCCEEDED", "PENDING", "FAILED")[number % 4],
        "attempt": 1,
        "ordinal": number,
        "created_at": BEGIN,
    }


def _of_step(number: int) -> dict[str, Any]:
    return {"task_id": _task_id(number % 20), "step_key": f"district/{number}"}


def _callback(number: int) -> dict[str, Any]:
    return _of_step(number) | {"token": f"{number:043}", "attempt": 1, "expires_at": BEGIN}


def _script(number: int) -> dict[str, Any]:
    return {"task_id": _task_id(number % 20), "version": number, "content": "{}", "created_at": BEGIN}


def _scene(number: int) -> dict[str, Any]:
    return _script(number) | {"sequence_number": number % 12, "version": number // 12}


def _resource(number: int) -> dict[str, Any]:
    return {
        "task_id": _task_id(number % 20),
        "sequence_number": number % 12,
        "kind": ("film", "clip", "frame")[number % 3],
        "version": number,
        "object_key": f"tenant/video/{number}",
        "content_type": "video/mp4",
        "bytes": 1,
        "made_by": _task_id(number % 20),
        "created_at": BEGIN,
    }


def _conversation(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "conversation_id": f"conv_{number:032x}",
        "tenant_id": f"tenant-{number % 30}",
        "user_id": "ada",
        "title": "",
        "brief": "{}",
        "messages": 7,
        "created_at": BEGIN,
        "updated_at": BEGIN,
    }


def _message(number: int) -> dict[str, Any]:
    of = {"conversation": 1 + number % 9, "position": number // 9}
    return of | {"author": "user", "content": "tides", "created_at": BEGIN}


def _video_job(number: int) -> dict[str, Any]:
    return {
        "job_id": f"job-{number:08}",
        "task_id": _task_id(number % 20),
        "step_key": f"clip/{number:03}",
        "ended": int(number % 100 > 0),
        "created_at": BEGIN + timedelta(seconds=number),
    }


def _video_create(number: int) -> dict[str, Any]:
    of = {"task_id": _task_id(number % 20), "step_key": f"clip/{number:03}"}
    return of | {"fingerprint": f"{number:064}", "created_at": BEGIN + timedelta(seconds=number)}


def _event(number: int) -> dict[str, Any]:
    return {
        "task_id": _task_id(number % 20),
        "attempt": 1,
        "event": "start",
        "status": "RUNNING",
        "unsent": 1 if number % 100 == 0 else None,
        "created_at": BEGIN + timedelta(seconds=number),
    }


def _tally(number: int) -> dict[str, Any]:
    return {
        "tenant_id": f"tenant-{number % 30}",
        "kind": KINDS[number % 2],
        "event": "succeeded",
        "bucket": number % 46,
        "number": 1,
        "microseconds": 1_000_000,
        "units": 3,
        "best": 3.0,
    }


def _listener(number: int) -> dict[str, Any]:
    return {"tenant_id": f"tenant-{number}", "channel": "sockets", "until": "9999-12-31"}


def _webhook_tenant(number: int) -> dict[str, Any]:
    return {"tenant_id": f"tenant-{number}", "secret": "whsec_" + "A" * 43 + "="}


def _webhook(number: int) -> dict[str, Any]:
    moment = {"created_at": BEGIN + timedelta(minutes=number), "updated_at": BEGIN + timedelta(minutes=number)}
    return {
        "webhook_id": f"wh_{number:032x}",
        "tenant_id": f"tenant-{number % 30}",
        "task_callback": int(number % 3 == 2),
        "url": f"https://hooks.example.com/{number}",
        **moment,
    }


def _webhook_delivery(number: int) -> dict[str, Any]:
    created = BEGIN + timedelta(seconds=number)
    ended = number % 20 > 0
    return {
        "delivery_id": f"msg_{number:032x}",
        "webhook_id": f"wh_{number % 30:032x}",
        "tenant_id": f"tenant-{number % 30}",
        "task_id": _task_id(number % 20),
        "notice_id": f"{number:016d}.00000000",
        "event": "longhaul.task.succeeded",
        "body": "{}",
        "status": "SUCCEEDED" if ended else "PENDING",
        "next_attempt_at": None if ended else created,
        "leased_until": None if number % 100 else created,
        "created_at": created,
    }


def _recipient_id(number: int) -> str:
    return f"recipient_{number:032x}"


def _recipient(number: int) -> dict[str, Any]:
    return {
        "recipient_id": _recipient_id(number),
        "tenant_id": f"tenant-{number % 100}",
        "address": f"ada{number}@example.com",
        "address_key": f"ada{number}@example.com",
        "language": ("en", "zh")[number % 2],
        "status": ("confirmed", "confirmed", "pending", "unsubscribed")[number % 4],
        "due_at": BEGIN + timedelta(minutes=number) if number % 20 == 0 else None,
        "created_at": BEGIN,
    }


def _news(number: int) -> dict[str, Any]:
    created = BEGIN + timedelta(hours=number)
    row = {"recipient_id": _recipient_id(number % 10), "notice_id": f"{number:016d}.00000000", "news": NEWS}
    return row | {"unsent": 1 if number % 20 < 10 else None, "created_at": created}


def _token(number: int) -> dict[str, Any]:
    moment = BEGIN + timedelta(days=number)
    row = {"digest": f"{number:064}", "recipient_id": _recipient_id(number % 10), "expires_at": moment}
    return row | {"purpose": ("confirm", "unsubscribe")[number % 2]}


def _quota(number: int) -> dict[str, Any]:
    return {"subject": f"{number:064}", "used": 1, "began_at": BEGIN + timedelta(days=number)}


def _control_request(number: int) -> dict[str, Any]:
    created = BEGIN + timedelta(days=number)
    return {"request_id": f"{number:064}", "request_digest": "0" * 64, "created_at": created}


def _lane_tenant(number: int) -> dict[str, Any]:
    return {
        "kind": KINDS[number % 2],
        "tenant_id": f"tenant-{number // 2}",
        "weight": 1 + (number % 50 == 0),
        "turn": number / 7,
    }


def _province(number: int) -> str:
    return f"{11 + number % 34}0000"


def _city(number: int) -> dict[str, Any]:
    province = _province(number)
    code = f"{province[:2]}{1 + number // 34:02}00"
    return {"code": code, "province_code": province, "name": f"市{number}", "listed": 1, "updated_at": BEGIN}


def _district(number: int) -> dict[str, Any]:
    city = _city(number % 340)["code"]
    code = f"{city[:4]}{1 + number // 340:02}"
    return {"code": code, "city_code": city, "name": f"区{number}", "listed": 1, "updated_at": BEGIN}


def _hospital(number: int) -> dict[str, Any]:
    return {
        "district_code": _district(number % 2900)["code"],
        "name": f"医院{number}",
        "level": ("三级甲等", "二级甲等", "一级", "未定级")[number % 4],
        "type": "综合医院",
        "address": "中山路1号",
        "phone": "020-12345678",
        "confidence": 0.9,
        "digest": f"{number:032x}",
        "listed": int(number % 10 > 0),
        "added_by": _task_id(number % 20),
        "changed_by": _task_id(number % 21) if number % 3 else None,
        "gone_by": None if number % 10 else _task_id(number % 20),
        "created_at": BEGIN,
        "updated_at": BEGIN,
    }


def _campaign_id(number: int) -> str:
    return f"call_campaign_20261122_143052_{number:08x}"


def _campaign(number: int) -> dict[str, Any]:
    return {
        "task_id": _task_id(number) if number % 2 else _campaign_id(number),
        "tenant_id": f"tenant-{number % 30}",
        "open": 0,
        "leads": 100,
        "assigned": 90,
        "provider_state": ("running", "ended", "ended", "ended", "ended")[number % 5],
        "created_at": BEGIN + timedelta(minutes=number),
    }


def _count(number: int) -> dict[str, Any]:
    return {"task_id": _campaign_id(number // 6), "name": f"count-{number % 6}", "number": number}


def _block(number: int) -> dict[str, Any]:
    due = None if number % 10 else BEGIN + timedelta(seconds=number)
    moment = {"due_at": due, "synced_at": BEGIN}
    return {"task_id": _campaign_id(number // 6), "block": number % 6, "open_jobs": 3, **moment}


def _lead(number: int) -> dict[str, Any]:
    campaign, place = divmod(number, 100)
    return {
        "task_id": _campaign_id(campaign),
        "tenant_id": f"tenant-{campaign % 30}",
        "leads_id": f"L-{place}",
        "phone": f"+86138{place:08}",
        "job_seq": place + 1 if place < 90 else None,
        "call_job_id": f"job-{number}" if place < 90 else None,
        "call_status": ("Succeeded", "Failed", "Succeeded", "Executing")[place % 4] if place < 90 else None,
        "leads_follow_id": number + 1 if place % 4 < 2 else None,
    }


def _follow(number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "tenant_id": f"tenant-{number % 30}",
        "leads_id": f"L-{number}",
        "leads_remark": "无人接听",
    }


def _diagnosis(number: int) -> dict[str, Any]:
    return {"task_id": _task_id(number), "max_cost": 2.5, "created_at": BEGIN, "updated_at": BEGIN}


def _diagnosis_cell(number: int) -> dict[str, Any]:
    task_id = _task_id(number // 36)
    return {"task_id": task_id, "cell_key": f"q{number % 36:02}/qwen", "asked_by": task_id, "answer": "推荐蔚来。"}


def _whose(number: int) -> dict[str, Any]:
    return {"tenant_id": f"tenant-{number % 30}", "task_id": f"T-{number}", "updated_at": BEGIN}


def _base_info(number: int) -> dict[str, Any]:
    told = {"company": "晨光口腔", "industry": "", "role_name": "小晨", "goal": "", "audience": "", "introduction": ""}
    return _whose(number) | told


def _talk_style(number: int) -> dict[str, Any]:
    return _whose(number) | {"tone": "亲切", "phrases": "[]", "avoid": "[]", "sample": ""}


def _knowledge(number: int) -> dict[str, Any]:
    return _whose(number // 6) | {"position": 1 + number % 6, "title": "疗程", "content": "三个月"}


def _product(number: int) -> dict[str, Any]:
    told = {"name": "种植牙", "description": "", "price": "", "selling_points": "[]"}
    return _whose(number // 6) | {"position": 1 + number % 6} | told


def _role_id(number: int) -> str:
    return f"role_{number:032}"


def _role(number: int) -> dict[str, Any]:
    own = {"role_id": _role_id(number), "strategy_id": f"S-{number % 5}", "version": 3, "created_at": BEGIN}
    return _whose(number) | own | {"updated_at": BEGIN + timedelta(minutes=number)}


def _version(number: int) -> dict[str, Any]:
    return {
        "role_id": _role_id(number // 2),
        "version": 1 + number % 2,
        "made_by": _task_id(number),
        "content": "{}",
        "missing": "[]",
        "left_out": "{}",
        "prompt": "9f86d081884c",
        "model": "deepseek",
        "requests": 1,
        "prompt_tokens": 300,
        "completion_tokens": 200,
        "cost": "0.0042",
        "seconds": 1.5,
        "estimated": False,
        "created_at": BEGIN,
    }
