"""What is said in a call, and its analysis: the scripts, and the words by which the language model judges them.

A car dealer's robot calls people who once asked about a car. Contacts who agree to visit say when, interested ones may,
and those who decline only decline. Small talk has none of the words that decide the analysis.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from local.providers.faults import draw, pick

type Mood = Literal["visit", "callback", "keen", "declines", "unclear"]

ROBOT, CONTACT = "Robot", "Contact"
MOODS: tuple[tuple[Mood, float], ...] = (("visit", 0.2), ("callback", 0.16), ("keen", 0.16))  # all others decline
HUNG_UP: dict[str, Mood] = {
    "SucceededClientHangUp": "declines",
    "SucceededChatbotHangUpAfterNoAnswer": "unclear",
}

VISIT_WORDS = ("到店", "试驾一下")
KEEN_WORDS = (*VISIT_WORDS, "感兴趣", "想了解", "发给我看看")
DECLINING_WORDS = ("不需要", "没兴趣", "不考虑", "别再打")
REMARKS: dict[Mood, str] = {
    "visit": "客户有购车意向，约定{when}到店。",
    "callback": "客户感兴趣，希望{when}再联系。",
    "keen": "客户感兴趣，希望先看资料。",
    "declines": "客户明确表示没有购车意向。",
    "unclear": "客户未作有效回应。",
}

OPENINGS = (
    ("您好，请问是{name}吗？我是远途汽车的客服小远。", "是我，你说吧。"),
    ("{name}您好，这里是远途汽车，打扰您一分钟可以吗？", "嗯，什么事？"),
    ("您好，我是远途汽车的小远，请问您是{name}吗？", "对，哪位？"),
)
SMALL_TALK = (
    ("您之前在我们网站上咨询过新车，请问还在看车吗？", "之前随便看过几款。"),
    ("您主要是家用还是商务用呢？", "主要是家里人开。"),
    ("请问您的预算大概是多少？", "十五万左右吧。"),
    ("您更喜欢轿车还是SUV？", "SUV吧，空间大一点。"),
    ("您现在开的是什么车？", "开了七八年的老车了。"),
)
TURNS: dict[Mood, tuple[tuple[str, str], ...]] = {
    "visit": (
        ("店里新到了一批试驾车，您什么时候方便过来？", "{when}有空，我过去试驾一下。"),
        ("本周有老客户专享优惠，邀请您来店里看看。", "可以，{when}我到店里看看。"),
    ),
    "callback": (
        ("要不要请我们的顾问给您详细介绍一下？", "挺感兴趣的，不过现在忙，{when}再联系我吧。"),
        ("我们新款的续航和配置都升级了，您有兴趣听听吗？", "想了解，但我在开会，{when}再聊。"),
    ),
    "keen": (
        ("我把配置表和报价发您手机上，可以吗？", "可以，发给我看看，我和家里商量。"),
        ("新款现在有置换补贴，您觉得怎么样？", "听着不错，我挺感兴趣的。"),
    ),
    "declines": (
        ("新款现在有置换补贴，您有兴趣了解吗？", "不需要，已经买了别的车。"),
        ("邀请您来店里看看新车，您看方便吗？", "没兴趣，别再打了。"),
        ("您近期有换车的打算吗？", "暂时不考虑，谢谢。"),
    ),
    "unclear": (
        ("请问您近期有购车的打算吗？", "啊？你说什么？听不清。"),
        ("邀请您来店里看看新车，您看方便吗？", "喂？喂？信号不好。"),
    ),
}
CLOSINGS: dict[Mood, tuple[str, str]] = {
    "visit": ("好的，已经为您登记，我们到时见。", "好，再见。"),
    "callback": ("好的，那到时再联系您，祝您生活愉快。", "行，拜拜。"),
    "keen": ("好的，资料马上发送，有问题随时联系我们。", "好的，谢谢。"),
    "declines": ("好的，不打扰您了，祝您生活愉快。", "嗯，再见。"),
    "unclear": ("不好意思，我没有听清，稍后再联系您，再见。", "喂？"),
}


@dataclass(frozen=True, slots=True)
class When:
    """A time in words: so many `days` from today, or the next `weekday` (Monday is 0)."""

    phrase: str
    hour: int
    days: int = 0
    weekday: int = 0

    def after(self, today: date) -> datetime:
        days = self.days or (self.weekday - today.weekday() - 1) % 7 + 1
        return datetime.combine(today + timedelta(days=days), time(self.hour))


WHENS = (
    When("明天上午", 10, days=1),
    When("后天下午", 15, days=2),
    When("周六上午", 10, weekday=5),
    When("周日下午", 14, weekday=6),
    When("下周一晚上", 19, weekday=0),
)


def mood(reference: str, task_status: str) -> Mood:
    """Return what the contact wants, in a call that ended with this status."""
    if task_status in HUNG_UP:
        return HUNG_UP[task_status]
    drawn, _ = draw(reference, "mood")
    return pick(drawn, MOODS) or "declines"


def conversation(reference: str, name: str, task_status: str) -> list[tuple[str, str]]:
    """Return 6 to 12 pairs of speaker and text, the same for a reference. A contact who hangs up says no goodbye."""
    wants = mood(reference, task_status)
    opening, talk = draw(reference, "opening")
    turn, when = draw(reference, "turn")
    first = int(talk * len(SMALL_TALK))
    chatted = [SMALL_TALK[(first + n) % len(SMALL_TALK)] for n in range(1 + first % 3)]
    exchanges = [_choose(OPENINGS, opening), *chatted, _choose(TURNS[wants], turn)]
    if task_status != "SucceededClientHangUp":
        exchanges.append(CLOSINGS[wants])
    words = {"name": name or "您本人", "when": _choose(WHENS, when).phrase}
    lines = [
        (speaker, text) for exchange in exchanges for speaker, text in zip((ROBOT, CONTACT), exchange, strict=True)
    ]
    return [(speaker, text.format_map(words)) for speaker, text in lines]


def analysis(lines: Iterable[tuple[str, str]], today: date) -> dict[str, Any]:
    """Return {is_interested, leads_remark, next_follow_time, is_arrive} of a conversation held today."""
    answers = "".join(text for speaker, text in lines if speaker != ROBOT)
    when = next((one for one in WHENS if one.phrase in answers), None)
    wants = _wants(answers, when)
    interested = wants in ("visit", "callback", "keen")
    return {
        "is_interested": interested,
        "leads_remark": REMARKS[wants].format(when=when.phrase if when else "近期"),
        "next_follow_time": when.after(today).isoformat() if when and interested else None,
        "is_arrive": wants == "visit",
    }


def _wants(answers: str, when: When | None) -> Mood:
    if any(word in answers for word in DECLINING_WORDS):
        return "declines"
    if any(word in answers for word in VISIT_WORDS):
        return "visit"
    if any(word in answers for word in KEEN_WORDS):
        return "callback" if when else "keen"
    return "unclear"


def _choose[T](of: tuple[T, ...], share: float) -> T:
    return of[int(share * len(of))]
