"""The actions of OutboundBot that the stand-in knows.

As in the real service there is no idempotency key: who assigns twice has people called twice. An instance or a job
group that is not there is a 404, `NotExist.Instance` or `NotExist.JobGroup`. Of jobs, ListJobs leaves out those it does
not know; the actions that change jobs then change none and say so with status 200, `Success: false` and `NotExist.Job`.
So does DownloadRecording with `NotExist.Task`, and with `RecordingNotFound` when nobody talked, or they still do.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from local.providers import outbound_shapes as shapes
from local.providers.calls import CALLING_NUMBER, Contact, Group, Job
from local.providers.lines import Instance, World
from local.providers.recordings import Links
from local.providers.rpc import OK, Parameters, Refusal, invalid

VERSION = "2019-12-26"
MOST_JOBS = 99
MOST_A_PAGE = 100
LAST_PAGE = 1_000_000


class Actions:
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
            "SuspendJobs": lambda asked: self._change(asked, Instance.suspend),
            "ResumeJobs": lambda asked: self._change(asked, Instance.resume),
            "CancelJobs": lambda asked: self._change(asked, Instance.cancel),
            "DownloadRecording": self.download_recording,
        }

    def answer(self, version: str, action: str, asked: Parameters) -> dict[str, Any]:
        """The answer's own fields; raises Refusal."""
        if version != VERSION or action not in self._known:
            raise Refusal(
                404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."
            )
        return self._known[action](asked)

    def create_job_group(self, asked: Parameters) -> dict[str, Any]:
        name, instance_id = asked.required("JobGroupName"), asked.required("InstanceId")
        instance = self._world.make_instance(instance_id)
        group = Group(
            name=name,
            description=asked.get("JobGroupDescription"),
            script_id=asked.get("ScriptId") or asked.get("ScenarioId"),
            calling_numbers=asked.listed("CallingNumber") or [CALLING_NUMBER],
            created=instance.now,
        )
        instance.open(group)
        return {"JobGroup": shapes.group(group)}

    def describe_job_group(self, asked: Parameters) -> dict[str, Any]:
        return {"JobGroup": shapes.group_with_progress(_group(self._instance(asked), asked))}

    def assign_jobs(self, asked: Parameters) -> dict[str, Any]:
        instance = self._instance(asked)
        group = _group(instance, asked)
        jobs = [_job(text, group, instance.now) for text in asked.required_list("JobsJson", MOST_JOBS)]
        instance.assign(jobs)
        return {"JobGroupId": group.id, "JobsId": [job.id for job in jobs]}

    def list_jobs(self, asked: Parameters) -> dict[str, Any]:
        instance = self._instance(asked)
        ids = dict.fromkeys(asked.required_list("JobId", MOST_JOBS))
        return {"Jobs": [shapes.job_with_tasks(instance.jobs[one]) for one in ids if one in instance.jobs]}

    def list_jobs_by_group(self, asked: Parameters) -> dict[str, Any]:
        group = _group(self._instance(asked), asked)
        page, size = asked.number("PageNumber", LAST_PAGE), asked.number("PageSize", MOST_A_PAGE)
        status, failure = asked.get("JobStatus"), asked.get("JobFailureReason")
        found = [job for job in group.jobs if status in ("", job.status) and failure in ("", job.failure)]
        listed = [shapes.job(job) for job in found[(page - 1) * size : page * size]]
        return {"Jobs": {"PageNumber": page, "PageSize": size, "TotalCount": len(found), "List": listed}}

    def download_recording(self, asked: Parameters) -> dict[str, Any]:
        instance, call_id = self._instance(asked), asked.required("TaskId")
        if (job := instance.called.get(call_id)) is None or job.call is None:
            raise Refusal(OK, "NotExist.Task", "The specified Task does not exist.")
        if not job.call.was_connected:
            raise Refusal(OK, "RecordingNotFound", "The call has no recording.")
        url = self._links.link(asked.host, call_id, self._link_seconds())
        return {"DownloadParams": {"SignatureUrl": url, "FileName": f"{call_id}.wav"}}

    def _change(self, asked: Parameters, change: Callable[[Instance, Iterable[Job]], None]) -> dict[str, Any]:
        """Change all jobs of the group, or of the instance when no group is given, or only those given."""
        instance = self._instance(asked)
        if not asked.flag("All"):
            change(instance, _jobs(instance, asked.required_list("JobId", MOST_JOBS)))
        elif asked.get("JobGroupId"):
            change(instance, _group(instance, asked).jobs)
        else:
            change(instance, list(instance.jobs.values()))
        return {}

    def _instance(self, asked: Parameters) -> Instance:
        if (instance := self._world.instance(asked.required("InstanceId"))) is None:
            raise Refusal(404, "NotExist.Instance", "The specified Instance does not exist.")
        return instance


def _group(instance: Instance, asked: Parameters) -> Group:
    if (group := instance.groups.get(asked.required("JobGroupId"))) is None:
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
