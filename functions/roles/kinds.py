"""The kind of task that makes a role."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from longhaul.tasks.kinds import Counter, Kind
from longhaul.validation import OwnId

COLLECT, WRITE, SAVE = "collect_material", "write_role", "save_role"  # the steps, each the only one of its level
LABELS = {COLLECT: "正在收集资料", WRITE: "正在撰写角色", SAVE: "正在保存角色"}


def _digits(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


type OwnIdOrNumber = Annotated[OwnId, BeforeValidator(_digits, json_schema_input_type=OwnId | int)]


class RoleCreation(BaseModel):
    """`{"task_id": "T-1", "strategy_id": "S-1"}`, both the tenant's own; an integer is taken as its digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_id: OwnIdOrNumber = Field(description="Whose material the role is made from.", examples=["T-1"])
    strategy_id: OwnIdOrNumber = Field(description="Which of the task's roles it is.", examples=["S-1"])


KINDS = (
    Kind(
        name="role_creation",
        params=RoleCreation,
        workflow="CreateRole",
        weights={COLLECT: 0.1, WRITE: 0.8, SAVE: 0.1},
        statistics={"tokens": Counter(WRITE, units=True)},
        title=lambda params: f"创建角色：{params.task_id}",
        slug=lambda _: "role_creation",
        open_key=lambda params: json.dumps([params.task_id, params.strategy_id]),
        max_concurrent=20,
    ),
)
