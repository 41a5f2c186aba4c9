"""The actions of OutboundBot that the stand-in has.

As in the real service there is no idempotency key: assigning jobs twice has people called twice. A missing instance or
job group is a 404, `NotExist.Instance` or `NotExist.JobGroup`. ListJobs leaves unknown jobs out. An action that changes
jobs changes none when one of them is unknown, and answers status 200, `Success: false`, `NotExist.Job`. Likewise
DownloadRecording answers `NotExist.Task`, or `RecordingNotFound` when nobody talked or they are still talking.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from local.providers.outbound import documents
from local.providers.outbound.calls import CALLING_NUMBER, Contact, Group, Job
from local.providers.outbound.lines import Instance, World
from local.providers.outbound.protocol import OK, Parameters, Refusal, invalid
from local.providers.outbound.recordings import Links

VERSION = "2019-12-26"
MAX_JOBS = 99
MAX_PAGE_SIZE = 100
MAX_PAGE = 1_000_000


class Actions:
    """The actions, carried out on a world of instances."""

    def __init__(self, world: World, links: Links, link_seconds: Callable[[], int]) -> None:
        self._world = world
        self._links = links
        self._link_seconds = link_seconds
        self._known: dict[str, Callable[[Parameters], dict[str, Any]]] = {
            "CreateJobGroup": self.create_job_group,
            "DescribeJobGroup": self.describe_job_group,
            "AssignJobs": self.assign_jobs,
            "ListJobs": self.list_jobs,
            "ListJobsByGroup": self.list_jobs_by_group,
            "SuspendJobs": lambda parameters: self._change(parameters, Instance.suspend),
            "ResumeJobs": lambda parameters: self._change(parameters, Instance.resume),
            "CancelJobs": lambda parameters: self._change(parameters, Instance.cancel),
            "DownloadRecording": self.download_recording,
        }

    def answer(self, version: str, action: str, parameters: Parameters) -> dict[str, Any]:
        """Return the fields of the action's response. Raises Refusal."""
        if version != VERSION or action not in self._known:
            raise Refusal(
                404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."
            )
        return self._known[action](parameters)

    def create_job_group(self, parameters: Parameters) -> dict[str, Any]:
        name, instance_id = parameters.required("JobGroupName"), parameters.required("InstanceId")
        instance = self._world.make_instance(instance_id)
        group = Group(
            name=name,
            description=parameters.get("JobGroupDescription"),
            script_id=parameters.get("ScriptId") or parameters.get("ScenarioId"),
            calling_numbers=parameters.listed("CallingNumber") or [CALLING_NUMBER],
            created=instance.now,
        )
        instance.open(group)
        return {"JobGroup": documents.group(group)}

    def describe_job_group(self, parameters: Parameters) -> dict[str, Any]:
        return {"JobGroup": documents.group_with_progress(_group(self._instance(parameters), parameters))}

    def assign_jobs(self, parameters: Parameters) -> dict[str, Any]:
        instance = self._instance(parameters)
        group = _group(instance, parameters)
        jobs = [_job(text, group, instance.now) for text in parameters.required_list("JobsJson", MAX_JOBS)]
        instance.assign(jobs)
        return {"JobGroupId": group.id, "JobsId": [job.id for job in jobs]}

    def list_jobs(self, parameters: Parameters) -> dict[str, Any]:
        instance = self._instance(parameters)
        ids = dict.fromkeys(parameters.required_list("JobId", MAX_JOBS))
        return {"Jobs": [documents.job_with_tasks(instance.jobs[one]) for one in ids if one in instance.jobs]}

    def list_jobs_by_group(self, parameters: Parameters) -> dict[str, Any]:
        group = _group(self._instance(parameters), parameters)
        page, size = parameters.number("PageNumber", MAX_PAGE), parameters.number("PageSize", MAX_PAGE_SIZE)
        status, failure = parameters.get("JobStatus"), parameters.get("JobFailureReason")
        found = [job for job in group.jobs if status in ("", job.status) and failure in ("", job.failure)]
        listed = [documents.job(job) for job in found[(page - 1) * size : page * size]]
        return {"Jobs": {"PageNumber": page, "PageSize": size, "TotalCount": len(found), "List": listed}}

    def download_recording(self, parameters: Parameters) -> dict[str, Any]:
        instance, call_id = self._instance(parameters), parameters.required("TaskId")
        if (job := instance.called.get(call_id)) is None or job.call is None:
            raise Refusal(OK, "NotExist.Task", "The specified Task does not exist.")
        if not job.call.was_connected:
            raise Refusal(OK, "RecordingNotFound", "The call has no recording.")
        url = self._links.link(parameters.host, call_id, self._link_seconds())
        return {"DownloadParams": {"SignatureUrl": url, "FileName": f"{call_id}.wav"}}

    def _change(self, parameters: Parameters, change: Callable[[Instance, Iterable[Job]], None]) -> dict[str, Any]:
        """Change the given jobs; with All, those of the given group, or of the instance."""
        instance = self._instance(parameters)
        if not parameters.flag("All"):
            change(instance, _jobs(instance, parameters.required_list("JobId", MAX_JOBS)))
        elif parameters.get("JobGroupId"):
            change(instance, _group(instance, parameters).jobs)
        else:
            change(instance, list(instance.jobs.values()))
        return {}

    def _instance(self, parameters: Parameters) -> Instance:
        if (instance := self._world.instance(parameters.required("InstanceId"))) is None:
            raise Refusal(404, "NotExist.Instance", "The specified Instance does not exist.")
        return instance


def _group(instance: Instance, parameters: Parameters) -> Group:
    if (group := instance.groups.get(parameters.required("JobGroupId"))) is None:
        raise Refusal(404, "NotExist.JobGroup", "The specified JobGroup does not exist.")
    return group


def _jobs(instance: Instance, ids: list[str]) -> list[Job]:
    if not instance.jobs.keys() >= set(ids):
        raise Refusal(OK, "NotExist.Job", "The specified Job does not exist.")
    return [instance.jobs[one] for one in ids]


def _job(text: str, group: Group, now: float) -> Job:
    """`{"contacts": [{"phoneNumber", "name"?, "referenceId"?}], "extras"?: [{"key", "value"}]}`; one contact a job."""
    try:
        given = json.loads(text)
        contact = given["contacts"][0]
        phone = str(contact["phoneNumber"])
        extras = [(str(extra["key"]), str(extra["value"])) for extra in given.get("extras", [])]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise invalid("JobsJson", "holds contacts with a phoneNumber, and extras with key and value") from error
    person = Contact(name=str(contact.get("name", "")), phone=phone, reference=str(contact.get("referenceId") or phone))
    return Job(group, person, extras, created=now)
