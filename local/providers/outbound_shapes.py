"""The world's things as OutboundBot's answers have them; times are milliseconds since 1970."""

from collections import Counter
from typing import Any

from local.providers.calls import Call, Contact, Group, Job
from local.providers.conversations import conversation


def job(one: Job) -> dict[str, Any]:
    """As in ListJobsByGroup, which tells nothing about calls."""
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
    """As in ListJobs."""
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
    """TotalCompleted are those that succeeded: with the other five it makes TotalJobs."""
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
    """The lines, evenly over the time that the call took."""
    lines = conversation(contact.reference, contact.name, call.status)
    between = (call.ends - call.began) / len(lines)
    return [
        {"Speaker": speaker, "Script": text, "Timestamp": _milliseconds(call.began + n * between)}
        for n, (speaker, text) in enumerate(lines)
    ]


def _status(jobs: list[Job]) -> str:
    """Of a group: that of its liveliest job; one without jobs waits for them."""
    present = {job.status for job in jobs} or {"Scheduling"}
    return next((status for status in ("Executing", "Scheduling", "Paused") if status in present), "Completed")


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
