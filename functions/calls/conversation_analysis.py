"""Analysing a conversation: one question to the language model gives the lead its follow-up."""

import json
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from calls import job_store, store
from calls.campaigns import close_if_complete
from calls.freshness import forget_pages
from calls.job_store import CONVERSATION_CLAIM_SECONDS, Conversation, sql_time
from calls.messages import AnalyseMessage, wake_analysis
from calls.model import FOLLOWED, INTERESTED, Campaign
from longhaul import database, llm, settings
from longhaul.database import Session
from longhaul.errors import BadAnswer, TransientError
from longhaul.llm import prompts
from longhaul.observability import logger
from longhaul.tasks import steps

MAX_LINES = 200
MAX_TOKENS = 1_500  # of an answer: its remark has 500 characters at most
CHINA = ZoneInfo("Asia/Shanghai")  # the days and hours of a conversation are local time there
NOT_ANALYSED = "对话未能由模型判断，请人工查看。"

_prompts = prompts.load(__file__)


def _plausible(text: str | None) -> str | None:
    if text is not None and not 2000 <= datetime.fromisoformat(text).year < 2100:
        raise ValueError("not a year to call in")
    return text


class Analysis(BaseModel):
    """The model's answer. `next_follow_time` is local time in China, ISO 8601; null: none was agreed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    is_interested: bool
    leads_remark: str = Field(min_length=1, max_length=500)
    next_follow_time: Annotated[str | None, AfterValidator(_plausible)]
    is_arrive: bool


def analyse(message: AnalyseMessage) -> None:
    """Give the job's lead its follow-up, unless it has one or another worker is at it.

    A model that is away is asked again later. When it answers nonsense twice, the follow-up says so, as the campaign
    must end.
    """
    task_id, job_seq = message.task_id, message.job_seq
    with database.connection() as session:
        if not job_store.claim_conversation(session, task_id, job_seq, CONVERSATION_CLAIM_SECONDS):
            return
        conversation = job_store.fetch_conversation(session, task_id, job_seq)
    if conversation is None:
        return
    try:
        analysis = _ask_model(conversation)
    except TransientError as error:
        _put_off(message, error)
        return
    except BadAnswer as error:
        logger.warning(
            "conversation not analysed", extra={"task_id": task_id, "job_seq": job_seq, "reason": str(error)}
        )
        analysis = Analysis(is_interested=False, leads_remark=NOT_ANALYSED, next_follow_time=None, is_arrive=False)
    campaign = database.run_transaction(lambda tx: _write(tx, task_id, job_seq, conversation, analysis))
    if campaign is not None:
        forget_pages(task_id)
        label = f"正在整理跟进：{campaign.followed + 1}/{campaign.leads}"
        steps.announce(task_id, campaign.attempt, "job", label)
        close_if_complete(task_id)


def _put_off(message: AnalyseMessage, error: TransientError) -> None:
    """Release the conversation, and wake another worker when the model may be back."""
    logger.warning("conversation put off", extra=message.model_dump() | {"reason": error.code})
    with database.connection() as session:
        job_store.release_conversation(session, message.task_id, message.job_seq)
    delay = max(error.retry_after or 0.0, settings.of(settings.Calls).call_sync_seconds)
    wake_analysis(message.task_id, [message.job_seq], delay=delay)


def _ask_model(conversation: Conversation) -> Analysis:
    spoken = json.loads(conversation.lines or "[]")[:MAX_LINES]
    lines = [(line["speaker"], " ".join(line["script"].split())) for line in spoken]  # a line cannot begin another's
    today = (conversation.called_at or datetime.now(UTC)).astimezone(CHINA).date().isoformat()
    prompt = _prompts.render(
        "conversation",
        {"job": conversation.call_job_id, "lines": lines, "today": today},
        today=today,
        lines="\n".join(f"{'机器人' if speaker == 'Robot' else '客户'}：{script}" for speaker, script in lines),
    )
    return llm.ask(prompt, Analysis, system=_prompts.system(), max_tokens=MAX_TOKENS)


def _write(tx: Session, task_id: str, job_seq: int, conversation: Conversation, analysis: Analysis) -> Campaign | None:
    campaign = store.lock_campaign(tx, task_id)
    if campaign is None or not job_store.save_interest(tx, task_id, job_seq, analysis.is_interested):
        return None
    at = sql_time(conversation.called_at or datetime.now(UTC)) or ""
    store.save_follow_up(
        tx,
        campaign,
        leads_id=conversation.leads_id,
        at=at,
        remark=analysis.leads_remark,
        next_at=_next_time(analysis),
        arrives=analysis.is_arrive,
    )
    store.count(tx, task_id, {FOLLOWED: 1, INTERESTED: int(analysis.is_interested)})
    return campaign


def _next_time(analysis: Analysis) -> str | None:
    if analysis.next_follow_time is None:
        return None
    agreed = datetime.fromisoformat(analysis.next_follow_time)
    return sql_time(agreed if agreed.tzinfo else agreed.replace(tzinfo=CHINA))
