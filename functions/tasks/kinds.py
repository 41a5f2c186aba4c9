"""The kind of task that a bulk action is: run by a queue, a step for each range of the tasks that match."""

from longhaul.tasks.bulk.planning import tally
from longhaul.tasks.bulk.selection import KIND, BulkAction
from longhaul.tasks.kinds import Kind

_TITLES = {
    "cancel": "批量取消",
    "pause": "批量暂停",
    "resume": "批量恢复",
    "retry": "批量重试",
    "prioritise": "批量调整优先级",
}

KINDS = (
    Kind(
        name=KIND,
        params=BulkAction,
        workflow="ActionsQueue",
        title=lambda params: _TITLES[params.action],
        slug=lambda params: f"bulk_{params.action}",
        tally=tally,
        max_concurrent=4,
        max_queued=100,
        stale_seconds=180,
    ),
)
