"""One job of the provider for one step: paid for once, polled without a function running, its result's link.

    hold               the price, before anything is asked for
    begin_create       one step at a time asks for the same model and prompt, or does not know what became of it
    once("creating")   before the create, so that a create whose answer is lost is known
    create             unclear (no answer, or the step's time is over): the next try looks for the job
    claim_job, once    which step the job belongs to
    read               until it has ended; 20 queries a second are allowed to an account, and counted for all steps

A job that failed costs nothing and is forgotten, so that the next try creates another. One that the provider does not
know any more may have been paid for, and counts as that.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from longhaul import aws, database
from longhaul.aws import rate
from longhaul.database import Session
from longhaul.errors import (
    AwsUnavailable,
    LonghaulError,
    ProviderThrottled,
    ProviderUnavailable,
    StepTimeout,
    TransientError,
)
from longhaul.observability import logger
from longhaul.workloads import Later, StepContext
from longhaul.workloads.budgets import BudgetReached
from videos import store
from videos.model import Look
from videos.provider import REFUSES, ContentRefused, Job, provider

QUERIES_A_SECOND = 20  # of an account
MIN_LOOK_SECONDS, MAX_LOOK_SECONDS = 2.0, 15.0  # between two looks at a job, which lasts for minutes
MAX_FAILURES = 3  # of a sweep, after which the provider is taken to be away
NOTHING = Decimal(0)
CLOCKS_DIFFER = timedelta(minutes=2)
CREATE_LASTS = timedelta(minutes=1)  # more than the time after which a create is given up
SEARCH_LASTS = CREATE_LASTS + 2 * CLOCKS_DIFFER  # after which a search for a create's job finds none of a later one
PATIENCE = timedelta(hours=1)  # for other steps' jobs
AWAY = timedelta(hours=12)  # half the time for which the provider keeps its jobs
MAX_AWAY_SECONDS = 60.0  # until it is asked again
UNCLEAR_SECONDS = 30.0  # until the provider's list shows what an unclear create has made


class JobFailed(LonghaulError):
    """The provider could not do the job; another one may be done."""

    code = "job_failed"


class UnderWay(Later):
    """The provider says that the job is."""


@dataclass(frozen=True)
class Order:
    """What a job is asked for: the route, the request's body, and the price."""

    path: str
    body: Mapping[str, Any]
    price: Decimal

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def prompt(self) -> str:
        return str(self.body["input"]["prompt"])

    @property
    def fingerprint(self) -> str:
        """Of all that the provider's list tells of a job: those with the same one cannot be told apart."""
        return hashlib.sha256(json.dumps([self.model, self.prompt]).encode()).hexdigest()


def link_of(step: StepContext[Any], order: Order) -> str:
    """The link to what the step's job has made. What it cost is spent from then on.

    Raises Later while it is under way, while other steps hold what is left of the budget, and while another's create of
    the same is not clear; ContentRefused, JobFailed; BudgetReached; as the provider does.
    """
    now = datetime.now(UTC).isoformat()
    since = step.once("creating", lambda: _begun(step, order, now))
    began = datetime.fromisoformat(since)
    job_id = step.once("job", lambda: _ordered(step, order, began, anew=since == now))
    job = _look(job_id, began)
    succeeded = job.status == "SUCCEEDED" and job.url is not None
    cost = order.price if succeeded or job.status == "UNKNOWN" else NOTHING
    database.run_transaction(lambda tx: _settle(tx, step, job_id, cost))
    if succeeded and job.url:
        return job.url
    forget(step)
    if job.code in REFUSES:
        raise ContentRefused(f"{job.code}: {job.message or 'no reason was given'}"[:500])
    raise JobFailed(f"the job is {job.status}: {job.code or 'no code'}: {job.message or 'no reason was given'}"[:500])


@contextmanager
def patience(step: StepContext[Any]) -> Iterator[None]:
    """In the block a provider or an S3 that is away is waited for, which uses up no try: an outage may last for hours.

    Raises Later; what the block raises after AWAY, and at once when S3 refuses us, which waiting does not mend.
    """
    try:
        yield
    except (ProviderUnavailable, AwsUnavailable) as error:
        if isinstance(error, AwsUnavailable) and error.__cause__ and not aws.is_away(error.__cause__):
            raise
        waited = _waited(step, "away")
        if waited > AWAY:
            raise
        logger.warning("a step waits", extra={"task_id": step.task_id, "step": step.key, "reason": str(error)})
        pause = min(MAX_AWAY_SECONDS, max(MIN_LOOK_SECONDS, waited.total_seconds()))
        raise Later(max(pause, error.retry_after or 0)) from error
    except UnderWay:
        _waits_no_more(step, "away")  # it answers
        raise
    _waits_no_more(step, "away")


def _waited(step: StepContext[Any], name: str) -> timedelta:
    """Since this attempt's step first asked by this name: the time of a pause is none that it waits."""
    now = datetime.now(UTC)
    return now - datetime.fromisoformat(step.once(f"{name}.{step.attempt}", now.isoformat))


def _waits_anew(step: StepContext[Any]) -> bool:
    """Whether this attempt's step has not waited yet for what an unclear create has made; from now on it has."""
    mark = uuid.uuid4().hex
    return step.once(f"unclear.{step.attempt}", lambda: mark) == mark


def _waits_no_more(step: StepContext[Any], name: str) -> None:
    step.forget(f"{name}.{step.attempt}")


def forget(step: StepContext[Any]) -> None:
    """What the job has made is of no use: the next try creates another."""
    step.forget("job")
    step.forget("creating")


def cancel_abandoned(limit: int = 100) -> int:
    """Cancel what tasks that have ended have left at the provider; how many jobs these were.

    A retry of its task still finds such a job, and settles it. A job that cannot be cancelled waits for the next sweep.
    Raises as the provider does, at the third that fails.
    """
    failures = 0
    with database.connection() as session:
        job_ids = store.list_abandoned_jobs(session, limit)
    for job_id in job_ids:
        try:
            provider().cancel(job_id)  # one that runs already cannot be stopped, and is paid for
        except TransientError as error:
            failures += 1
            if failures == MAX_FAILURES:
                raise
            logger.warning("a job is not cancelled", extra={"job_id": job_id, "reason": str(error)})
            continue
        with database.connection() as session:
            store.abandon_job(session, job_id)
    return len(job_ids) - failures


def _begun(step: StepContext[Any], order: Order, now: str) -> str:
    """`now`, once the price is held and no other step asks for the same.

    Raises Later while other steps hold what is left of the budget, or another's create is not clear; BudgetReached,
    also when they have held it for PATIENCE: a step that failed may hold it for good.
    """
    try:
        step.purse.hold(order.price)
    except ProviderThrottled as error:
        if _waited(step, "waits") > PATIENCE:
            raise BudgetReached(str(error)) from error
        raise Later(MAX_LOOK_SECONDS) from None
    _waits_no_more(step, "waits")
    with database.connection() as session:
        begun = store.begin_create(session, order.fingerprint, step.task_id, step.key, SEARCH_LASTS.total_seconds())
    if not begun:
        raise Later(MAX_LOOK_SECONDS)
    return now


def _ordered(step: StepContext[Any], order: Order, since: datetime, *, anew: bool) -> str:
    """The id of the step's job: of one that an earlier try has created, or of a new one."""
    if not anew:
        with database.connection() as session:
            if own := store.find_open_job(session, step.task_id, step.key):
                return own
        if _waits_anew(step):  # a worker that was paused may still be on its way with its create
            raise Later(UNCLEAR_SECONDS)
        if found := _found(step, order, since):
            return found
        _waits_no_more(step, "unclear")
        step.forget("creating")  # the next try may make another job, which is looked for from then on
        with database.connection() as session:
            store.end_create(session, order.fingerprint, step.task_id, step.key)
        raise Later(MIN_LOOK_SECONDS)  # whoever asks for the same has its turn
    try:
        job_id = provider().create(order.path, order.body)
    except (ProviderUnavailable, StepTimeout) as error:
        _waits_anew(step)
        error.retry_after = UNCLEAR_SECONDS
        raise  # there may be a job: the next try looks for it
    except LonghaulError:
        step.forget("creating")  # raises TaskStopped, and releases nothing, when the task has been resumed meanwhile
        step.purse.release()
        with database.connection() as session:
            store.end_create(session, order.fingerprint, step.task_id, step.key)
        raise
    if not _claim(step, order, job_id):  # another deployment of the same account took it for its own
        raise ProviderUnavailable(f"another step has the job {job_id}", retry_after=UNCLEAR_SECONDS)
    return job_id


def _found(step: StepContext[Any], order: Order, since: datetime) -> str | None:
    """The job that an earlier try has created without learning of it. Raises Later while that cannot be told.

    The provider's list has times, but no prompts: each job that no step has is looked at, the one that was made closest
    to our create first, and what it was asked for is compared. A job is one step's, whoever finds it.
    """
    until = min(datetime.now(UTC), since + CREATE_LASTS)
    listed = provider().list_jobs(order.model, since - CLOCKS_DIFFER, until + CLOCKS_DIFFER)
    listed.sort(key=lambda job: abs((job.created_at or until) - since))
    with database.connection() as session:
        unknown = store.unknown_jobs(session, [job.job_id for job in listed])
    unsure = False
    for job_id in unknown:
        job = _look(job_id, since, wait=False)
        if job.prompt == order.prompt and _claim(step, order, job_id):
            logger.info("a job was found whose answer was lost", extra={"task_id": step.task_id, "job_id": job_id})
            return job_id
        unsure = unsure or (job.prompt is None and not job.is_final)
    if unsure:
        raise Later(MAX_LOOK_SECONDS)
    return None


def _settle(tx: Session, step: StepContext[Any], job_id: str, cost: Decimal) -> None:
    """Once: a step that runs again finds its job ended."""
    if store.end_job(tx, job_id):
        step.purse.settle_job(tx, cost)


def _claim(step: StepContext[Any], order: Order, job_id: str) -> bool:
    with database.connection() as session:
        claimed = store.claim_job(session, job_id, step.task_id, step.key)
        if claimed:
            store.end_create(session, order.fingerprint, step.task_id, step.key)
    return claimed


def _look(job_id: str, since: datetime, *, wait: bool = True) -> Job:
    """The job as it stands. Raises Later while it is under way, if it is waited for, and when too many look at once."""
    if not rate.admitted("dashscope:queries", per_second=QUERIES_A_SECOND):
        raise Later(MIN_LOOK_SECONDS)
    job = provider().read(job_id)
    if wait and not job.is_final:
        age = (datetime.now(UTC) - since).total_seconds()
        raise UnderWay(min(MAX_LOOK_SECONDS, max(MIN_LOOK_SECONDS, age / 2)))
    return job


def frame_order(look: Look, prompt: str) -> Order:
    """An image of a scene's beginning."""
    body = {
        "model": look.image_model,
        "input": {"prompt": prompt},
        "parameters": {"size": look.images.sizes[look.aspect], "n": 1},
    }
    return Order(look.images.path, body, look.images.price)


def clip_order(look: Look, prompt: str, frame_link: str | None) -> Order:
    """A clip of a scene, beginning with the frame behind the link if its model does."""
    clips = look.clips
    picture = {"img_url": frame_link} if clips.from_frame else {}
    size = (
        {"resolution": look.resolution} if clips.sizes is None else {"size": clips.sizes[look.resolution, look.aspect]}
    )
    body = {
        "model": look.model,
        "input": {"prompt": prompt, **picture},
        "parameters": {**size, "duration": look.scene_seconds, "prompt_extend": True},
    }
    return Order(clips.path, body, clips.price(look.resolution, look.scene_seconds))
