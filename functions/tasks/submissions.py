"""What is submitted, from the wire to the task core: alone or in a batch."""

from longhaul.http import Caller
from longhaul.tasks.model import Priority
from longhaul.tasks.submission import Submission
from tasks.documents import SubmitRequest


def submission(request: SubmitRequest, who: Caller, idempotency_key: str | None) -> Submission:
    return Submission(
        tenant_id=who.tenant_id,
        user_id=who.user_id,
        kind=request.kind,
        params=request.params,
        priority=Priority[request.priority],
        title=request.title,
        idempotency_key=idempotency_key,
        run_after=request.run_after,
        deadline=request.deadline,
    )
