"""Alibaba Cloud OutboundBot, as campaigns see it: groups of jobs, each job a lead that is called until it is reached.

    group_id = provider().create_group("春季体验课", script_id, {"minAttemptInterval": 10}, max_attempts=3)
    job_ids = provider().assign(group_id, [Lead("lead-1", "13800000001", "王女士", {"城市": "广州"})])
    jobs = provider().list_jobs(job_ids)

Every method raises ProviderThrottled or ProviderUnavailable when the provider does not answer, as while its circuit is
open, and BadAnswer when it refuses. After ProviderUnavailable or BadAnswer from `assign` the leads may have their jobs
all the same: look with `find_jobs` before they are assigned again.

Answers are read from the SDK's models. A value of another shape than expected raises one of `sdk.MISSHAPEN`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from pydantic import ValidationError

from calls.model import BLOCK_JOBS, MAX_BATCH, JobStatus, Line, Outcome, outcome_of_job
from calls.sdk import MISSHAPEN, Keys, Refused, Sdk
from longhaul import aws, settings
from longhaul.aws.circuit import Circuit
from longhaul.errors import BadAnswer, ProviderUnavailable
from longhaul.observability import logger

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE_SIZE = 100


@dataclass(frozen=True)
class Lead:
    """A person to call. The job comes back with `reference`, our id. `extras` are the script's variables."""

    reference: str
    phone: str
    name: str
    extras: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """A job with its latest call. Times are aware, UTC."""

    job_id: str
    status: JobStatus
    reference: str | None
    failure_reason: str | None
    call_task_id: str | None
    task_status: str | None
    outcome: Outcome | None
    calling_number: str | None
    planed_time: datetime | None
    actual_time: datetime | None
    duration_ms: int | None
    conversation: tuple[Line, ...]


class Provider:
    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk

    def create_group(
        self, name: str, script_id: str, strategy: Mapping[str, Any] | None, max_attempts: int | None
    ) -> str:
        """The id of a new, empty group. `strategy` has the provider's keys: workingTime, minAttemptInterval, ..."""
        attempts = {} if max_attempts is None else {"maxAttemptsPerDay": max_attempts}
        rules = {**(strategy or {}), **attempts}
        return self._sdk.write(
            "CreateJobGroup",
            lambda body: _text(body.job_group.job_group_id),
            job_group_name=name,
            script_id=script_id,
            strategy_json=_json(rules) if rules else None,
        )

    def assign(self, group_id: str, leads: Sequence[Lead]) -> list[str]:
        """The job of each lead, in their order. The request is sent once only, or a lead might be called twice."""
        if not 0 < len(leads) <= MAX_BATCH:
            raise ValueError(f"1 to {MAX_BATCH} leads are assigned at once, not {len(leads)}")
        job_ids = self._sdk.write(
            "AssignJobs",
            lambda body: [_text(job_id) for job_id in _list(body.jobs_id)],
            job_group_id=group_id,
            jobs_json=[_job_json(lead) for lead in leads],
        )
        if len(job_ids) != len(leads):
            raise BadAnswer(f"{len(leads)} leads were assigned, but {len(job_ids)} jobs returned")
        return job_ids

    def count_jobs(self, group_id: str) -> int:
        return self._sdk.read(
            "DescribeJobGroup", lambda body: int(body.job_group.progress.total_jobs), job_group_id=group_id
        )

    def find_jobs(self, group_id: str, references: Collection[str]) -> dict[str, str]:
        """The job of each reference that the group knows. Reads as many pages of the group as it takes."""
        wanted, found, seen, page = set(references), dict[str, str](), 0, 0
        while wanted - found.keys():
            page += 1
            some, total = self._sdk.read(
                "ListJobsByGroup",
                lambda body: (
                    [(_reference_of(job), _text(job.job_id)) for job in body.jobs.list],
                    int(body.jobs.total_count),
                ),
                job_group_id=group_id,
                page_number=page,
                page_size=PAGE_SIZE,
            )
            for reference, job_id in some:
                if reference in wanted:
                    found.setdefault(reference, job_id)
            seen += len(some)
            if not some or seen >= total:
                break
        return found

    def list_jobs(self, job_ids: Sequence[str], *, seconds: float | None = None) -> list[Job]:
        """The jobs of these ids that the provider knows. A job that cannot be read is left out, with a warning.

        `seconds` limits the whole request, for a caller who has to answer in time.
        """
        if not 0 < len(job_ids) <= BLOCK_JOBS:
            raise ValueError(f"1 to {BLOCK_JOBS} jobs are listed at once, not {len(job_ids)}")
        return self._sdk.read("ListJobs", lambda body: _jobs(body.jobs), seconds=seconds, job_id=list(job_ids))

    def suspend(self, group_id: str) -> None:
        self._steer("SuspendJobs", group_id)

    def resume(self, group_id: str) -> None:
        self._steer("ResumeJobs", group_id)

    def cancel(self, group_id: str) -> None:
        self._steer("CancelJobs", group_id)

    def _steer(self, action: str, group_id: str) -> None:
        if not group_id:
            raise ValueError(f"{action} without a group would reach every job of the instance")
        self._sdk.write(action, lambda body: None, all=True, job_group_id=group_id)

    def recording_link(self, call_task_id: str) -> str | None:
        """A link to the recording, which expires soon. None: the provider has no recording."""
        try:
            return self._sdk.read("DownloadRecording", _signed_link, task_id=call_task_id)
        except Refused as refusal:
            if "Recording" in refusal.reason:
                return None
            raise


@cache
def provider() -> Provider:
    values = settings.of(settings.Outbound)
    instance, endpoint = values.outbound_instance_id, values.outbound_endpoint
    return Provider(
        Sdk(
            endpoint=endpoint,
            protocol=values.outbound_protocol,
            instance_id=instance,
            read_keys=lambda: _keys(values.outbound_secret_arn),
            circuit=Circuit(f"outbound:{instance}@{endpoint}", table=values.breaker_table),
        )
    )


def _signed_link(body: Any) -> str | None:
    link = body.download_params and body.download_params.signature_url
    return _text(link) if link else None


def _job_json(lead: Lead) -> str:
    contact = {"phoneNumber": lead.phone, "name": lead.name, "referenceId": lead.reference}
    return _json(
        {"contacts": [contact], "extras": [{"key": key, "value": value} for key, value in lead.extras.items()]}
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _keys(arn: str) -> Keys:
    try:
        return Keys.model_validate_json(aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    except aws.errors() as error:
        raise ProviderUnavailable("the provider's access key cannot be read") from error
    except ValidationError:  # its message quotes the secret
        raise ProviderUnavailable("the provider's secret is not {access_key_id, access_key_secret}") from None


def _jobs(listed: Any) -> list[Job]:
    """The jobs that can be read; a warning names the others. ValueError when none of them can."""
    jobs = []
    for job in listed:
        try:
            jobs.append(_job(job))
        except MISSHAPEN as error:
            logger.warning("job left out", extra={"job_id": str(job.job_id)[:64], "wrong": type(error).__name__})
    if listed and not jobs:
        raise ValueError("no job can be read")
    return jobs


def _job(job: Any) -> Job:
    status, call = JobStatus(job.status), _latest(job.tasks or [])
    values: Mapping[str, Any] = vars(call) if call else {}
    task_status = _optional(values.get("status"))
    return Job(
        job_id=_text(job.job_id),
        status=status,
        reference=_reference_of(job),
        failure_reason=_optional(job.failure_reason),
        call_task_id=_text(call.task_id) if call else None,
        task_status=task_status,
        outcome=outcome_of_job(status, task_status),
        calling_number=_optional(values.get("calling_number")),
        planed_time=_time(values.get("planed_time")),
        actual_time=_time(values.get("actual_time")),
        duration_ms=None if values.get("duration") is None else int(values["duration"]),
        conversation=tuple(_line(line) for line in values.get("conversation") or []),
    )


def _reference_of(job: Any) -> str | None:
    """Our id of the lead. It was given with the contact, and comes back there or with the job."""
    given = [contact.reference_id for contact in job.contacts or []]
    return next((_text(reference) for reference in (*given, job.reference_id) if reference), None)


def _latest(calls: list[Any]) -> Any | None:
    """The call made or planned last. Of calls at the same time, or without a time, the one listed last."""
    latest = None
    for call in calls:
        if latest is None or _when(call) >= _when(latest):
            latest = call
    return latest


def _when(call: Any) -> int:
    return int(call.actual_time or call.planed_time or 0)


def _line(line: Any) -> Line:
    return Line(_text(line.speaker), str(line.script or ""), int(line.timestamp or 0))


def _time(milliseconds: Any) -> datetime | None:
    return EPOCH + timedelta(milliseconds=int(milliseconds)) if milliseconds else None


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _optional(value: object) -> str | None:
    return _text(value) if value else None
