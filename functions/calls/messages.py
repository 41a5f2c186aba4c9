"""The messages of the queues of calls. Each wakes a worker; the rows hold the work, so a sweep finds what was lost."""

from collections.abc import Iterable, Sequence
from itertools import batched

from pydantic import BaseModel, ConfigDict, Field

from longhaul import settings
from longhaul.aws import sqs
from longhaul.aws.workflows import Attempt

BLOCKS_PER_MESSAGE = 3  # as many as a page of 100 jobs may touch


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    task_id: str = Field(min_length=1, max_length=96)


class AssignMessage(_Message):
    """The campaign has leads to be handed to the provider."""


class SyncMessage(_Message):
    """These blocks of jobs were not synced for a while."""

    blocks: list[int] = Field(min_length=1, max_length=100)


class AnalyseMessage(_Message):
    """The conversation of this job waits to be analysed."""

    job_seq: int = Field(ge=1)


class RecordingsMessage(_Message):
    """A reader wants the recordings of these jobs."""

    job_seqs: list[int] = Field(min_length=1, max_length=100)


def wake_assignment(task_id: str, *, delay: float = 0.0) -> None:
    url = settings.of(settings.AssignQueue).assign_queue_url
    sqs.send(url, [AssignMessage(task_id=task_id)], delay=delay, task_id=task_id)


def wake_sync(task_id: str, blocks: Sequence[int]) -> None:
    url = settings.of(settings.SyncQueue).sync_queue_url
    parts = batched(blocks, BLOCKS_PER_MESSAGE, strict=False)
    sqs.send(url, [SyncMessage(task_id=task_id, blocks=list(part)) for part in parts], task_id=task_id)


def wake_analysis(task_id: str, job_seqs: Iterable[int], *, delay: float = 0.0) -> None:
    url = settings.of(settings.AnalyseQueue).analyse_queue_url
    messages = [AnalyseMessage(task_id=task_id, job_seq=seq) for seq in job_seqs]
    sqs.send(url, messages, delay=delay, task_id=task_id)


def wake_recordings(task_id: str, job_seqs: Sequence[int]) -> None:
    url = settings.of(settings.RecordingsQueue).recordings_queue_url
    sqs.send(url, [RecordingsMessage(task_id=task_id, job_seqs=list(job_seqs))], task_id=task_id)


def wake_steering(task_id: str, attempt: int) -> None:
    """Send the message that the task core sends when the task changes."""
    url = settings.of(settings.SteerQueue).steer_queue_url
    sqs.send(url, [Attempt(task_id=task_id, attempt=attempt)], task_id=task_id)
