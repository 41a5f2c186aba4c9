"""Alibaba Cloud OutboundBot, as campaigns see it: groups of jobs, each job a lead that is called until it is reached.

    group_id = provider().create_group("春季体验课", script_id, {"minAttemptInterval": 10}, max_attempts=3)
    job_ids = provider().assign(group_id, [Lead("lead-1", "13800000001", "王女士", {"城市": "广州"})])
    jobs = provider().list_jobs(job_ids)

Every method raises ProviderThrottled or ProviderUnavailable when the provider could not be asked, as while its circuit
is open, and BadAnswer when it refuses. After ProviderUnavailable or BadAnswer from `assign` the leads may be assigned
all the same: `find_jobs` tells, before they are assigned again.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError

from calls.answers import Job, Line, jobs, listed, reference_of, text
from calls.sdk import Keys, Refused, Sdk
from longhaul import aws, settings
from longhaul.breaker import Circuit
from longhaul.errors import BadAnswer, ProviderUnavailable

__all__ = ["Job", "Lead", "Line", "Provider", "provider"]

MOST_JOBS = 99  # that one AssignJobs or ListJobs takes
PAGE_SIZE = 100


@dataclass(frozen=True)
class Lead:
    """Whom to call. `reference` is ours, told back with the job; `extras` are the variables of the script."""

    reference: str
    phone: str
    name: str
    extras: Mapping[str, str]


class Provider:
    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk

    def create_group(
        self, name: str, script_id: str, strategy: Mapping[str, Any] | None, max_attempts: int | None
    ) -> str:
        """The id of a new, empty group. `strategy` is in the provider's words: workingTime, minAttemptInterval, ..."""
        attempts = {} if max_attempts is None else {"maxAttemptsPerDay": max_attempts}
        rules = {**(strategy or {}), **attempts}
        return self._sdk.write(
            "CreateJobGroup",
            lambda body: text(body.job_group.job_group_id),
            job_group_name=name,
            script_id=script_id,
            strategy_json=_json(rules) if rules else None,
        )

    def assign(self, group_id: str, leads: Sequence[Lead]) -> list[str]:
        """The job of each lead, in their order. Asked once, never again: else a lead might be called twice."""
        if not 0 < len(leads) <= MOST_JOBS:
            raise ValueError(f"1 to {MOST_JOBS} leads are assigned at once, not {len(leads)}")
        job_ids = self._sdk.write(
            "AssignJobs",
            lambda body: [text(job_id) for job_id in listed(body.jobs_id)],
            job_group_id=group_id,
            jobs_json=[_job_json(lead) for lead in leads],
        )
        if len(job_ids) != len(leads):
            raise BadAnswer(f"{len(leads)} leads were assigned and {len(job_ids)} jobs told")
        return job_ids

    def count_jobs(self, group_id: str) -> int:
        return self._sdk.read(
            "DescribeJobGroup", lambda body: int(body.job_group.progress.total_jobs), job_group_id=group_id
        )

    def find_jobs(self, group_id: str, references: Collection[str]) -> dict[str, str]:
        """The job of each reference that the group has one for; reads as many pages of the group as it takes."""
        wanted, found, seen, page = set(references), dict[str, str](), 0, 0
        while wanted - found.keys():
            page += 1
            some, total = self._sdk.read(
                "ListJobsByGroup",
                lambda body: (
                    [(reference_of(job), text(job.job_id)) for job in body.jobs.list],
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
        """The jobs of these ids that the provider knows; one that cannot be read is left out, with a warning.

        `seconds` is all the time there is, for a caller who has to answer.
        """
        if not 0 < len(job_ids) <= MOST_JOBS:
            raise ValueError(f"1 to {MOST_JOBS} jobs are listed at once, not {len(job_ids)}")
        return self._sdk.read("ListJobs", lambda body: jobs(body.jobs), seconds=seconds, job_id=list(job_ids))

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
        """Where the recording can be fetched from for a while; None when the provider has none."""
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
    return text(link) if link else None


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
