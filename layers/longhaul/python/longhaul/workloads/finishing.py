"""The end of a task whose stages have ended: its result is made, and it is closed."""

from typing import Any

from longhaul import database
from longhaul.aws.workflows import Attempt
from longhaul.errors import PermanentError
from longhaul.tasks import lifecycle
from longhaul.tasks.lifecycle import Outcome
from longhaul.workloads import planning
from longhaul.workloads.counting import count_stages
from longhaul.workloads.documents import document


class BadResult(PermanentError):
    """The workload's result cannot be stored."""

    code = "bad_result"


def finish(request: Attempt) -> bool:
    """Close the task with its result; False when it was closed before. Raises TaskStopped, BadResult."""
    task, workload = planning.find(request)
    if workload.make_result is not None:
        result = _checked(workload.make_result(planning.context_of(task, workload)))
    else:
        with database.connection() as session:
            stages = count_stages(session, task.task_id)
        counts = [stages[stage.name] for stage in workload.work if stage.name in stages]
        result = {
            "items": sum(count.planned for count in counts),
            "failed": sum(count.failed for count in counts),
        }
    return lifecycle.close(request.task_id, request.attempt, Outcome(result=result))


def _checked(result: Any) -> dict[str, Any]:
    try:
        return document(result)
    except ValueError as error:
        raise BadResult(f"the workload's result {error}") from error
