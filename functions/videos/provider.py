"""DashScope's asynchronous jobs: created, looked at, cancelled, listed. One request each; nothing is retried here.

A create has no idempotency key. After ProviderUnavailable there may be a job all the same: `list_jobs` finds what the
account has created since a time. After any other error there is none.

https://help.aliyun.com/model-studio/developer-reference/manage-asynchronous-tasks
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Literal

import urllib3
from pydantic import BaseModel, ValidationError

from longhaul import aws, settings
from longhaul.errors import BadAnswer, PermanentError, ProviderThrottled, ProviderUnavailable

CONNECT_SECONDS, READ_SECONDS = 3.0, 20.0
PAGE_SIZE, MAX_PAGES = 100, 20
TASKS = "/api/v1/tasks/"
CLOCK = timezone(timedelta(hours=8))  # of the times that the provider takes and gives
REFUSES = frozenset({"DataInspectionFailed", "DataInspection", "IPInfringementSuspect"})  # moderation's codes

type JobStatus = Literal["PENDING", "RUNNING", "SUSPENDED", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"]
FINAL: frozenset[JobStatus] = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"})


class ContentRefused(PermanentError):
    """The provider's moderation refuses what was asked for."""

    code = "content_refused"


@dataclass(frozen=True)
class Job:
    """A job as the provider tells of it. `url` is that of its result, `prompt` what it was asked for."""

    job_id: str
    status: JobStatus
    url: str | None = None
    prompt: str | None = None
    code: str | None = None
    message: str | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class _Result(BaseModel):
    url: str | None = None
    orig_prompt: str | None = None


class _Output(BaseModel):
    task_id: str
    task_status: JobStatus
    video_url: str | None = None
    results: list[_Result] = []
    orig_prompt: str | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class ListedJob:
    """A job as the provider lists it. `created_at` is by our clock, to about a second; None where it is not told."""

    job_id: str
    created_at: datetime | None


class _Listed(BaseModel):
    task_id: str
    gmt_create: int | None = None  # in milliseconds


class _Page(BaseModel):
    data: list[_Listed] = []
    total_page: int = 1


class Provider:
    """`url` is the address below which the routes are, without a slash at its end."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)

    def create(self, path: str, body: Mapping[str, Any]) -> str:
        """The id of a new job. Raises ContentRefused, BadAnswer, ProviderThrottled; ProviderUnavailable: unclear."""
        return _output(self._ask("POST", path, body=body)).task_id

    def read(self, job_id: str) -> Job:
        """Raises ProviderUnavailable, ProviderThrottled, BadAnswer. A job that is not known any more is UNKNOWN."""
        output = _output(self._ask("GET", TASKS + job_id))
        result = output.results[0] if output.results else _Result()
        return Job(
            job_id=output.task_id,
            status=output.task_status,
            url=output.video_url or result.url,
            prompt=output.orig_prompt or result.orig_prompt,
            code=output.code,
            message=output.message,
        )

    def cancel(self, job_id: str) -> bool:
        """Whether it was cancelled: only one that is still queued can be. Raises as `read`."""
        try:
            self._ask("POST", f"{TASKS}{job_id}/cancel")
        except BadAnswer:
            return False
        return True

    def list_jobs(self, model: str, since: datetime, until: datetime) -> list[ListedJob]:
        """The account's jobs with this model that were created then. Raises as `read`."""
        found: list[ListedJob] = []
        for page in range(1, MAX_PAGES + 1):
            query = {
                "start_time": _stamp(since),
                "end_time": _stamp(until),
                "model_name": model,
                "page_no": str(page),
                "page_size": str(PAGE_SIZE),
            }
            answer = self._ask("GET", TASKS, query)
            listed, ahead = _parsed(_Page, answer.data), _ahead(answer)
            found += [ListedJob(job.task_id, _moment(job.gmt_create, ahead)) for job in listed.data]
            if page >= listed.total_page:
                break
        return found

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = self._headers | ({} if body is None else {"X-DashScope-Async": "enable"})
        more: dict[str, Any] = {"fields": query} if body is None else {"json": body}
        try:
            answer = self._pool.request(method, self._url + path, headers=headers, **more)
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"DashScope does not answer: {type(error).__name__}") from error
        if answer.status >= 500:
            raise ProviderUnavailable(f"DashScope answers {answer.status}")
        _check(answer)
        return answer


@cache
def provider() -> Provider:
    values = settings.of(settings.Dashscope)
    return Provider(values.dashscope_endpoint.rstrip("/"), _key(values.dashscope_secret_arn))


def _key(arn: str) -> str:
    try:
        return aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except aws.errors() as error:
        raise ProviderUnavailable("DashScope's key cannot be read") from error


def _check(answer: urllib3.BaseHTTPResponse) -> None:
    """Raises what a refusal is."""
    if answer.status < 400:
        return
    try:
        said = json.loads(answer.data)
        code, message = str(said["code"]), str(said.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = str(answer.status), ""
    if answer.status == 429 or code.startswith("Throttling"):
        raise ProviderThrottled(f"DashScope asks us to slow down: {code}", retry_after=5.0)
    if code in REFUSES:
        raise ContentRefused(f"{code}: {message}"[:500])
    raise BadAnswer(f"DashScope refuses: {code}: {message}"[:500])


def _output(answer: urllib3.BaseHTTPResponse) -> _Output:
    try:
        said = json.loads(answer.data)["output"]
    except (ValueError, KeyError, TypeError) as error:
        raise ProviderUnavailable("DashScope's answer has no output") from error
    return _parsed(_Output, json.dumps(said).encode())


def _parsed[M: BaseModel](model: type[M], data: bytes) -> M:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise ProviderUnavailable(f"DashScope's answer cannot be read: {error.errors()[0]['msg']}") from error


def _ahead(answer: urllib3.BaseHTTPResponse) -> timedelta | None:
    """By how much the provider's clock is ahead of ours, to a second; None when the answer has no date."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]) - datetime.now(UTC)
    except (KeyError, ValueError, TypeError):
        return None


def _moment(milliseconds: int | None, ahead: timedelta | None) -> datetime | None:
    if milliseconds is None or ahead is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1_000, UTC) - ahead


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(CLOCK):%Y%m%d%H%M%S}"
