"""What mails and pages say, in each language a recipient may have."""

from collections.abc import Mapping
from dataclasses import dataclass

from mail.model import Language


@dataclass(frozen=True)
class Words:
    """Texts with blanks for `str.format`. `events` says how a task ended, `counts` the same of several."""

    lang: str  # of HTML
    events: Mapping[str, str]
    counts: Mapping[str, str]
    one_ended: str
    some_ended: str
    some_news: str  # of tasks and alerts
    joined: str  # what stands between two counts
    reason: str
    open_task: str
    open_alert: str
    more: str
    because: str
    unsubscribe: str
    confirm_subject: str
    confirm_heading: str
    confirm_text: str
    confirm_button: str
    confirm_note: str
    confirm_question: str
    confirmed_heading: str
    confirmed_text: str
    unsubscribe_question: str
    unsubscribe_text: str
    unsubscribed_heading: str
    unsubscribed_text: str
    invalid_heading: str
    invalid_text: str


_ENGLISH = Words(
    lang="en",
    events={
        "succeeded": "Succeeded",
        "failed": "Failed",
        "expired": "Out of time",
        "cancelled": "Cancelled",
        "critical": "Critical alert",
        "warning": "Warning",
        "resolved": "Alert resolved",
    },
    counts={
        "succeeded": "{} succeeded",
        "failed": "{} failed",
        "expired": "{} ran out of time",
        "cancelled": "{} cancelled",
        "critical": "{} critical",
        "warning": "{} to look at",
        "resolved": "{} resolved",
    },
    one_ended="{event}: {title}",
    some_ended="{number} tasks have ended: {counts}",
    some_news="{number} notices of tasks and alerts: {counts}",
    joined=", ",
    reason="Reason: {}",
    open_task="Open the task",
    open_alert="Open the alert",
    more="And {} more.",
    because="You get this because you confirmed that you want to hear of tasks of {tenant}: when they end, and when an "
    "alert fires. There is one such mail every 15 minutes at most.",
    unsubscribe="Unsubscribe",
    confirm_subject="Please confirm: e-mail about tasks of {tenant}",
    confirm_heading="Do you want to hear when tasks end?",
    confirm_text="{tenant} would like to tell you at {address} when its tasks in Longhaul end or an alert fires. "
    "You will hear nothing unless you confirm.",
    confirm_button="Confirm",
    confirm_note="The link works for 24 hours. If you did not expect this mail, ignore it: nothing more will come.",
    confirm_question="{tenant} would like to tell you at {address} when its tasks end. You can unsubscribe at any "
    "time.",
    confirmed_heading="Confirmed",
    confirmed_text="{address} will hear when tasks of {tenant} end, once every 15 minutes at most.",
    unsubscribe_question="Unsubscribe?",
    unsubscribe_text="{address} will hear nothing more of the tasks of {tenant}.",
    unsubscribed_heading="Unsubscribed",
    unsubscribed_text="{address} gets no more mail about tasks of {tenant}, unless you confirm again.",
    invalid_heading="This link does not work any more",
    invalid_text="It has expired, or the address was removed. To confirm an address, ask for a new mail.",
)
_CHINESE = Words(
    lang="zh-Hans",
    events={
        "succeeded": "成功",
        "failed": "失败",
        "expired": "超时",
        "cancelled": "已取消",
        "critical": "严重告警",
        "warning": "警告",
        "resolved": "告警已恢复",
    },
    counts={
        "succeeded": "成功 {} 个",
        "failed": "失败 {} 个",
        "expired": "超时 {} 个",
        "cancelled": "取消 {} 个",
        "critical": "严重 {} 个",
        "warning": "警告 {} 个",
        "resolved": "恢复 {} 个",
    },
    one_ended="{event}：{title}",
    some_ended="{number} 个任务已结束：{counts}",
    some_news="{number} 条任务与告警通知：{counts}",
    joined="，",
    reason="原因：{}",
    open_task="查看任务",
    open_alert="查看告警",
    more="另有 {} 个任务。",
    because="您收到此邮件，是因为您确认过希望了解“{tenant}”的任务结果。此类邮件每 15 分钟最多一封。",
    unsubscribe="退订",
    confirm_subject="请确认：接收“{tenant}”的任务邮件",
    confirm_heading="您希望在任务结束时收到通知吗？",
    confirm_text="“{tenant}”希望在 Longhaul 的任务结束时发邮件通知您（{address}）。只有在您确认之后，我们才会发送。",
    confirm_button="确认接收",
    confirm_note="链接在 24 小时内有效。如果您没有预料到这封邮件，请忽略它，我们不会再发送任何内容。",
    confirm_question="“{tenant}”希望在任务结束时发邮件通知您（{address}）。您可以随时退订。",
    confirmed_heading="已确认",
    confirmed_text="“{tenant}”的任务结束时，{address} 会收到通知，每 15 分钟最多一封。",
    unsubscribe_question="确定退订吗？",
    unsubscribe_text="{address} 将不再收到“{tenant}”的任务通知。",
    unsubscribed_heading="已退订",
    unsubscribed_text="{address} 不会再收到“{tenant}”的任务通知，除非您重新确认。",
    invalid_heading="此链接已失效",
    invalid_text="链接已过期，或者该地址已被移除。如需确认地址，请重新获取邮件。",
)
WORDS: Mapping[Language, Words] = {"en": _ENGLISH, "zh": _CHINESE}
