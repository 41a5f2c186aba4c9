"""Jobs and groups as OutboundBot's actions return them. Times are milliseconds since 1970."""

from collections import Counter
from typing import Any

from local.providers.conversations import conversation
from local.providers.outbound.calls import Call, Contact, Group, Job


def job(one: Job) -> dict[str, Any]:
    """Return a job as in ListJobsByGroup, which has nothing about calls."""
    return {
        "JobId": one.id,
        "JobGroupId": one.group.id,
        "ScenarioId": one.group.script_id,
        "Status": one.status,
        **({"FailureReason": one.failure} if one.failure else {}),
        "ReferenceId": one.contact.reference,
        "Priority": 5,
        "SystemPriority": 1,
        "CallingNumbers": one.group.calling_numbers,
        "Contacts": [_contact(one.id, one.contact)],
        "Extras": [{"Key": key, "Value": value} for key, value in one.extras],
        "Summary": [],
    }


def job_with_tasks(one: Job) -> dict[str, Any]:
    """Return a job as in ListJobs."""
    return {**job(one), "Tasks": [_task(one, one.call)] if one.call else []}


def group(one: Group) -> dict[str, Any]:
    return {
        "JobGroupId": one.id,
        "JobGroupName": one.name,
        "JobGroupDescription": one.description,
        "ScenarioId": one.script_id,
        "ScriptId": one.script_id,
        "Status": _status(one.jobs),
        "CallingNumbers": one.calling_numbers,
        "Priority": "Daily",
        "CreationTime": _milliseconds(one.created),
        "ModifyTime": str(_milliseconds(one.created)),
    }


def group_with_progress(one: Group) -> dict[str, Any]:
    """TotalCompleted counts the jobs that succeeded. With the other five it adds up to TotalJobs."""
    counts = Counter(job.status for job in one.jobs)
    progress = {
        "TotalJobs": len(one.jobs),
        "TotalCompleted": counts["Succeeded"],
        "TotalNotAnswered": sum(job.failure == "NoAnswer" for job in one.jobs),
        **{status: counts[status] for status in ("Scheduling", "Executing", "Failed", "Cancelled", "Paused")},
    }
    return {**group(one), "Progress": progress}


def _contact(job_id: str, one: Contact) -> dict[str, Any]:
    return {
        "ContactId": one.id,
        "ContactName": one.name,
        "Honorific": one.name,
        "JobId": job_id,
        "PhoneNumber": one.phone,
        "ReferenceId": one.reference,
        "Role": "*",
        "State": "Available",
    }


def _task(of: Job, call: Call) -> dict[str, Any]:
    duration = call.ends - call.began if call.was_connected else 0
    return {
        "TaskId": call.id,
        "JobId": of.id,
        "ScenarioId": of.group.script_id,
        "Status": call.status,
        "CallId": call.call_id,
        "CallingNumber": of.group.calling_numbers[0],
        "CalledNumber": of.contact.phone,
        "PlanedTime": _milliseconds(of.created),
        "ActualTime": _milliseconds(call.began),
        "Duration": _milliseconds(duration),
        "Brief": "回访成功" if call.was_connected else "",
        "Contact": _contact(of.id, of.contact),
        "Conversation": _conversation(of.contact, call) if call.was_connected else [],
    }


def _conversation(contact: Contact, call: Call) -> list[dict[str, Any]]:
    """Return the lines, spread evenly over the call's duration."""
    lines = conversation(contact.reference, contact.name, call.status)
    between = (call.ends - call.began) / len(lines)
    return [
        {"Speaker": speaker, "Script": text, "Timestamp": _milliseconds(call.began + n * between)}
        for n, (speaker, text) in enumerate(lines)
    ]


def _status(jobs: list[Job]) -> str:
    """Return a group's status: that of its most active job. A group without jobs is Scheduling."""
    present = {job.status for job in jobs} or {"Scheduling"}
    return next((status for status in ("Executing", "Scheduling", "Paused") if status in present), "Completed")


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
