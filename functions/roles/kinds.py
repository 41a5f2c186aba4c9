"""The kind of task that writes a role."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from longhaul.tasks.kinds import Counter, Kind

COLLECT, WRITE, SAVE = "collect_material", "write_role", "save_role"  # the steps: one of each level

type OwnId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\s/]+$")]
"""What a tenant calls something of its own: no space, no slash."""


class RoleCreation(BaseModel):
    """`{"task_id": "T-1", "strategy_id": "S-1"}`, both the tenant's own; numbers are taken as their digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    task_id: OwnId = Field(description="Whose material the role is made from.", examples=["T-1"])
    strategy_id: OwnId = Field(description="Which of the task's roles it is.", examples=["S-1"])


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
