"""Judging a conversation: the language model is asked once, and the lead gets its follow-up."""

import json
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from calls import job_store, store
from calls.campaigns import close_if_complete
from calls.job_store import Conversation, sql_time
from calls.messages import AnalyseMessage, hint_analyse
from calls.model import FOLLOWED, INTERESTED, Campaign
from calls.scopes import scope_of
from longhaul import cache, database, llm, progress, prompts, settings
from longhaul.database import Session
from longhaul.errors import BadAnswer, TransientError
from longhaul.observability import logger

JUDGING_SECONDS = 360.0  # longer than its function may run: who holds a conversation for longer is dead
MOST_LINES = 200
CHINA = ZoneInfo("Asia/Shanghai")  # what people say of days and hours is meant there
UNJUDGED = "对话未能由模型判断，请人工查看。"

_prompts = prompts.load(__file__)


def _moment(text: str | None) -> str | None:
    if text is not None and not 2000 <= datetime.fromisoformat(text).year < 2100:
        raise ValueError("no time to call somebody at")
    return text


class Verdict(BaseModel):
    """What a conversation comes to. `next_follow_time` is local time in China, ISO 8601, null when none was agreed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    is_interested: bool
    leads_remark: str = Field(min_length=1, max_length=500)
    next_follow_time: Annotated[str | None, AfterValidator(_moment)]
    is_arrive: bool


def judge(message: AnalyseMessage) -> None:
    """Give the job's lead its follow-up, unless it has one or somebody else is at it.

    A model that is away is asked again later. A conversation of which it makes nonsense twice gets a remark that says
    so: the campaign must end.
    """
    task_id, job_seq = message.task_id, message.job_seq
    with database.connection() as session:
        if not job_store.claim_conversation(session, task_id, job_seq, JUDGING_SECONDS):
            return
        conversation = job_store.fetch_conversation(session, task_id, job_seq)
    if conversation is None:
        return
    try:
        verdict = _ask(conversation)
    except TransientError as error:
        _put_off(message, error)
        return
    except BadAnswer as error:
        logger.warning("conversation not judged", extra={"task_id": task_id, "job_seq": job_seq, "reason": str(error)})
        verdict = Verdict(is_interested=False, leads_remark=UNJUDGED, next_follow_time=None, is_arrive=False)
    campaign = database.run_transaction(lambda tx: _write(tx, task_id, job_seq, conversation, verdict))
    if campaign is not None:
        cache.invalidate(scope_of(task_id))
        label = f"正在整理跟进：{campaign.followed + 1}/{campaign.leads}"
        progress.announce(task_id, campaign.attempt, "job", label)
        close_if_complete(task_id)


def _put_off(message: AnalyseMessage, error: TransientError) -> None:
    """The model is away: another worker asks it in a while."""
    logger.warning("conversation put off", extra=message.model_dump() | {"reason": error.code})
    with database.connection() as session:
        job_store.release_conversation(session, message.task_id, message.job_seq)
    delay = max(error.retry_after or 0.0, settings.of(settings.Calls).call_sync_seconds)
    hint_analyse(message.task_id, [message.job_seq], delay=delay)


def _ask(conversation: Conversation) -> Verdict:
    lines = [(line["speaker"], line["script"]) for line in json.loads(conversation.lines or "[]")][:MOST_LINES]
    today = _local(conversation.called_at or datetime.now(UTC)).date().isoformat()
    prompt = _prompts.render(
        "conversation",
        {"job": conversation.call_job_id, "lines": lines, "today": today},
        today=today,
        lines="\n".join(f"{'机器人' if speaker == 'Robot' else '客户'}：{script}" for speaker, script in lines),
    )
    return llm.ask(prompt, Verdict, system=_prompts.system())


def _write(tx: Session, task_id: str, job_seq: int, conversation: Conversation, verdict: Verdict) -> Campaign | None:
    campaign = store.lock_campaign(tx, task_id)
    if campaign is None or not job_store.save_interest(tx, task_id, job_seq, verdict.is_interested):
        return None
    at = sql_time(_aware(conversation.called_at or datetime.now(UTC))) or ""
    store.save_follow_up(
        tx,
        campaign,
        leads_id=conversation.leads_id,
        at=at,
        remark=verdict.leads_remark,
        next_at=_next(verdict),
        arrives=verdict.is_arrive,
    )
    store.count(tx, task_id, {FOLLOWED: 1, INTERESTED: int(verdict.is_interested)})
    return campaign


def _next(verdict: Verdict) -> str | None:
    if verdict.next_follow_time is None:
        return None
    said = datetime.fromisoformat(verdict.next_follow_time)
    return sql_time(said if said.tzinfo else said.replace(tzinfo=CHINA))


def _local(moment: datetime) -> datetime:
    return _aware(moment).astimezone(CHINA)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
