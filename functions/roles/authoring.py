"""Makes a role in three steps: collects its material, has the language model write the document, saves a version.

Each step works on the output of the one before. So an answer of the model is paid for once, however often the attempt
is then stopped, killed or delivered twice; and a role is made from the material that it began with.
"""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from longhaul import llm, stored
from longhaul.aws.workflows import Attempt
from longhaul.database import Session
from longhaul.errors import MissingMaterial
from longhaul.llm import Usage, prompts
from longhaul.tasks import steps
from longhaul.tasks.following import task_row
from longhaul.tasks.steps import PlannedStep, step
from roles import material, store
from roles.kinds import COLLECT, LABELS, SAVE, WRITE, RoleCreation
from roles.material import trim
from roles.model import Material, RoleDocument
from roles.store import NewVersion

MAX_TOKENS = 8_192  # of a role

_prompts = prompts.load(__file__)


def collect(request: Attempt) -> dict[str, Any]:
    """{missing, left_out}: the empty kinds of material, and the positions of the items without room in the prompt.

    Raises MissingMaterial without base info; TaskStopped.
    """
    with step(request.task_id, request.attempt, key=COLLECT, level=COLLECT, label=LABELS[COLLECT]) as run:
        if not run.done:
            task = task_row(request.task_id)
            params = stored.read(RoleCreation, task.params)
            found = material.read(task.tenant_id, params.task_id)
            if found.base_info is None:
                missing = ", ".join(found.missing)
                raise MissingMaterial(f"task {params.task_id} has no base_info (missing: {missing})")
            kept, left_out = trim(found)
            output = {"material": kept.model_dump(), "missing": found.missing, "left_out": left_out}
            run.complete(output, save=lambda tx: _plan(tx, request))
    return {"missing": run.output["missing"], "left_out": run.output["left_out"]}


def write(request: Attempt) -> dict[str, Any]:
    """{model, tokens}, of the first of the deployment's models. Raises as `llm.consult`; TaskStopped."""
    with step(request.task_id, request.attempt, key=WRITE, level=WRITE, label=LABELS[WRITE]) as run:
        if not run.done:
            collected = steps.output_of(request.task_id, request.attempt, COLLECT)
            prompt, system = _prompt(request, collected), _prompts.system()
            reply = llm.consult(llm.models()[0], prompt, RoleDocument, system=system, max_tokens=MAX_TOKENS)
            usage = reply.usage
            output = {
                "content": reply.answer.model_dump(),
                "prompt": _prompts.version("system", "role"),
                "usage": asdict(usage) | {"cost": str(usage.cost)},
            }
            run.complete(output, units=usage.prompt_tokens + usage.completion_tokens)
    used = run.output["usage"]
    return {"model": used["model"], "tokens": used["prompt_tokens"] + used["completion_tokens"]}


def save(request: Attempt) -> dict[str, Any]:
    """The task's result: {role_id, version, missing, left_out, model, tokens, cost}. Raises TaskStopped."""
    with step(request.task_id, request.attempt, key=SAVE, level=SAVE, label=LABELS[SAVE]) as run:
        if not run.done:
            task = task_row(request.task_id)
            params = stored.read(RoleCreation, task.params)
            new = _new_version(request)

            def work(tx: Session) -> tuple[dict[str, Any], int]:
                role_id, version = store.save_version(tx, task.tenant_id, params.task_id, params.strategy_id, new)
                return _result(role_id, version, new), 1

            run.complete_by(work)
    return run.output


def _plan(tx: Session, request: Attempt) -> None:
    """Plans the other steps, so that progress counts them from the beginning."""
    planned = [PlannedStep(key, key, LABELS[key]) for key in (WRITE, SAVE)]
    steps.plan_steps(tx, request.task_id, request.attempt, planned)


def _prompt(request: Attempt, collected: dict[str, Any]) -> str:
    params = stored.read(RoleCreation, task_row(request.task_id).params).model_dump()
    given = stored.read(Material, collected["material"])
    if given.base_info is None:
        raise MissingMaterial
    names = {"role_name": given.base_info.role_name, "company": given.base_info.company}
    summary = {**names, "goal": given.base_info.goal, "products": [product.name for product in given.products]}
    return _prompts.render(
        "role",
        summary | params,
        **params,
        **names,
        missing="、".join(collected["missing"]) or "无",
        material=given.model_dump_json(exclude_defaults=True),
    )


def _new_version(request: Attempt) -> NewVersion:
    collected = steps.output_of(request.task_id, request.attempt, COLLECT)
    written = steps.output_of(request.task_id, request.attempt, WRITE)
    usage = stored.only(written["usage"], Usage.__dataclass_fields__)
    return NewVersion(
        made_by=request.task_id,
        content=stored.read(RoleDocument, written["content"]),
        missing=collected["missing"],
        left_out=collected["left_out"],
        prompt=written["prompt"],
        **usage | {"cost": Decimal(usage["cost"])},
    )


def _result(role_id: str, version: int, new: NewVersion) -> dict[str, Any]:
    return {
        "role_id": role_id,
        "version": version,
        "missing": new.missing,
        "left_out": new.left_out,
        "model": new.model,
        "tokens": new.prompt_tokens + new.completion_tokens,
        "cost": str(new.cost),
    }
