"""What the queues of calls carry: hints at work that the rows show as well, so that a sweep finds what was lost."""

from collections.abc import Iterable, Sequence
from itertools import batched

from pydantic import BaseModel, ConfigDict, Field

from longhaul import queues, settings
from longhaul.workflows import Attempt

BLOCKS_OF_A_MESSAGE = 3  # as many as a page of 100 jobs may touch


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    task_id: str = Field(min_length=1, max_length=96)


class AssignMessage(_Message):
    """That the campaign has leads to be handed to the provider."""


class SyncMessage(_Message):
    """That these blocks of jobs have not been asked for for a while."""

    blocks: list[int] = Field(min_length=1, max_length=100)


class AnalyseMessage(_Message):
    """That this job's conversation waits to be judged."""

    job_seq: int = Field(ge=1)


class RecordingsMessage(_Message):
    """That somebody wants to hear these jobs."""

    job_seqs: list[int] = Field(min_length=1, max_length=100)


def hint_assign(task_id: str, *, delay: float = 0.0) -> None:
    url = settings.of(settings.AssignQueue).assign_queue_url
    queues.send(url, [AssignMessage(task_id=task_id)], delay=delay, task_id=task_id)


def hint_sync(task_id: str, blocks: Sequence[int]) -> None:
    url = settings.of(settings.SyncQueue).sync_queue_url
    parts = batched(blocks, BLOCKS_OF_A_MESSAGE, strict=False)
    queues.send(url, [SyncMessage(task_id=task_id, blocks=list(part)) for part in parts], task_id=task_id)


def hint_analyse(task_id: str, job_seqs: Iterable[int], *, delay: float = 0.0) -> None:
    url = settings.of(settings.AnalyseQueue).analyse_queue_url
    messages = [AnalyseMessage(task_id=task_id, job_seq=seq) for seq in job_seqs]
    queues.send(url, messages, delay=delay, task_id=task_id)


def hint_recordings(task_id: str, job_seqs: Sequence[int]) -> None:
    url = settings.of(settings.RecordingsQueue).recordings_queue_url
    queues.send(url, [RecordingsMessage(task_id=task_id, job_seqs=list(job_seqs))], task_id=task_id)


def hint_steer(task_id: str, attempt: int) -> None:
    """The same message that the task core sends when the task changes."""
    url = settings.of(settings.SteerQueue).steer_queue_url
    queues.send(url, [Attempt(task_id=task_id, attempt=attempt)], task_id=task_id)
