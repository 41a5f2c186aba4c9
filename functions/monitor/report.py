"""The report: a window's figures as a text that a person reads, in English or in Chinese."""

from datetime import datetime

from longhaul.tasks.figures import Figures, Histogram
from monitor.observation import Observation, Present

_NAMED = 20  # tasks

_ENGLISH = {
    "title": "Task monitor report",
    "made": "As of",
    "window": "Window",
    "tasks": "Tasks",
    "submitted": "Submitted",
    "running": "Running now",
    "waiting": "Waiting now",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "success": "Success rate",
    "retries": "Retried by callers / requeued",
    "work": "Work",
    "units": "Units",
    "rate": "Units a second",
    "mean": "Mean running time",
    "p95": "95 % ran at most",
    "waited": "Mean waiting time",
    "kinds": "Kinds",
    "kind": "{kind}: {ended} ended, {success} succeeded, {mean} on average",
    "active": "Running tasks, longest first",
    "task": "{task_id}: {progress} %, {duration}, {step}",
    "none": "none",
    "unknown": "n/a",
    "more": "and {number} more",
    "s": "s",
    "min": "min",
    "h": "h",
}
_CHINESE = {
    "title": "任务监控报告",
    "made": "生成时间",
    "window": "统计区间",
    "tasks": "任务统计",
    "submitted": "提交",
    "running": "运行中",
    "waiting": "等待中",
    "succeeded": "已完成",
    "failed": "失败",
    "cancelled": "已取消",
    "success": "成功率",
    "retries": "手动重试 / 自动重排",
    "work": "数据统计",
    "units": "处理总数",
    "rate": "每秒处理数",
    "mean": "平均执行时间",
    "p95": "95% 的任务执行时间不超过",
    "waited": "平均等待时间",
    "kinds": "任务类型",
    "kind": "{kind}：结束 {ended} 个，成功率 {success}，平均 {mean}",
    "active": "运行中的任务（时间最长的在前）",
    "task": "{task_id}：{progress}%，{duration}，{step}",
    "none": "无",
    "unknown": "无数据",
    "more": "另有 {number} 个",
    "s": "秒",
    "min": "分钟",
    "h": "小时",
}
TEXTS = {"en": _ENGLISH, "zh": _CHINESE}


def report(seen: Observation, lang: str) -> str:
    words = TEXTS[lang]
    totals, now = seen.totals, seen.present()
    lines = [
        *_heading(words["title"], "="),
        f"{words['made']}: {_time(seen.as_of)}",
        f"{words['window']}: {_time(seen.since)} - {_time(seen.until)}",
        "",
        *_heading(words["tasks"]),
        *_tasks(words, totals, now),
        "",
        *_heading(words["work"]),
        *_work(words, totals),
        "",
        *_heading(words["kinds"]),
        *(_kinds(words, seen.by_kind) or [words["none"]]),
        "",
        *_heading(words["active"]),
        *(_active(words, seen) or [words["none"]]),
    ]
    return "\n".join(lines) + "\n"


def _tasks(words: dict[str, str], totals: Figures, now: Present) -> list[str]:
    return [
        f"{words['submitted']}: {totals.events['submitted']}",
        f"{words['running']}: {now.running}",
        f"{words['waiting']}: {now.waiting}",
        f"{words['succeeded']}: {totals.ended['SUCCEEDED']}",
        f"{words['failed']}: {totals.ended['FAILED']}",
        f"{words['cancelled']}: {totals.ended['CANCELLED']}",
        f"{words['success']}: {_percent(words, totals.share('SUCCEEDED'))}",
        f"{words['retries']}: {totals.events['retried']} / {totals.events['requeued']}",
    ]


def _work(words: dict[str, str], totals: Figures) -> list[str]:
    rate = totals.units_per_second
    return [
        f"{words['units']}: {totals.units}",
        f"{words['rate']}: {words['unknown'] if rate is None else f'{rate:.2f}'}",
        f"{words['mean']}: {_mean(words, totals.running)}",
        f"{words['p95']}: {_duration(words, totals.running.quantile(0.95))}",
        f"{words['waited']}: {_mean(words, totals.waiting)}",
    ]


def _kinds(words: dict[str, str], by_kind: dict[str, Figures]) -> list[str]:
    return [
        words["kind"].format(
            kind=kind,
            ended=figures.ended.total(),
            success=_percent(words, figures.share("SUCCEEDED")),
            mean=_mean(words, figures.succeeded),
        )
        for kind, figures in by_kind.items()
    ]


def _active(words: dict[str, str], seen: Observation) -> list[str]:
    lines = [
        words["task"].format(
            task_id=task.task_id,
            progress=task.progress,
            duration=_duration(words, task.seconds),
            step=task.current_step or "-",
        )
        for task in seen.longest[:_NAMED]
    ]
    more = max(len(seen.longest), seen.present().running) - len(lines)
    return [*lines, words["more"].format(number=more)] if more > 0 else lines


def _heading(text: str, line: str = "-") -> list[str]:
    return [text, line * sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)]


def _mean(words: dict[str, str], of: Histogram) -> str:
    return _duration(words, of.mean)


def _percent(words: dict[str, str], share: float | None) -> str:
    return words["unknown"] if share is None else f"{share:.2%}"


def _duration(words: dict[str, str], seconds: float | None) -> str:
    if seconds is None:
        return words["unknown"]
    if seconds < 60:
        return f"{seconds:.2f} {words['s']}"
    return f"{seconds / 60:.1f} {words['min']}" if seconds < 3600 else f"{seconds / 3600:.1f} {words['h']}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
