"""Making a role: its material collected, the document written by the LLM, a version saved. Each is a step.

A step's output is what the next one works on. So what the model has answered is paid for once, however often the
attempt is stopped, killed or delivered twice after that, and a role is made from the material it was begun with.
"""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from longhaul import llm
from longhaul.database import Session
from longhaul.errors import MissingMaterial
from longhaul.tasks import steps
from longhaul.tasks.reading import task_row
from longhaul.tasks.steps import PlannedStep, step
from longhaul.workflows import Attempt
from roles import material, prompts, store
from roles.kinds import COLLECT, SAVE, WRITE, RoleCreation
from roles.model import Material, RoleDocument
from roles.store import Written
from roles.trimming import trim

LABELS = {COLLECT: "正在收集资料", WRITE: "正在撰写角色", SAVE: "正在保存角色"}


def collect(request: Attempt) -> dict[str, Any]:
    """{missing, left_out}: the kinds of material that are not there, and what there was no room for.

    Raises MissingMaterial without base info; TaskStopped.
    """
    with step(request.task_id, request.attempt, key=COLLECT, level=COLLECT, label=LABELS[COLLECT]) as run:
        if not run.done:
            task = task_row(request.task_id)
            wanted = RoleCreation.model_validate(task.params)
            found = material.read(task.tenant_id, wanted.task_id)
            if found.base_info is None:
                missing = ", ".join(found.missing)
                raise MissingMaterial(f"task {wanted.task_id} has no base_info (missing: {missing})")
            kept, left_out = trim(found)
            output = {"material": kept.model_dump(), "missing": found.missing, "left_out": left_out}
            run.complete(output, save=lambda tx: _plan(tx, request))
    return {"missing": run.output["missing"], "left_out": run.output["left_out"]}


def write(request: Attempt) -> dict[str, Any]:
    """{model, tokens}, of the first of the deployment's models. Raises as `llm.consult`; TaskStopped."""
    with step(request.task_id, request.attempt, key=WRITE, level=WRITE, label=LABELS[WRITE]) as run:
        if not run.done:
            collected = steps.output_of(request.task_id, request.attempt, COLLECT)
            reply = llm.consult(llm.models()[0], _prompt(request, collected), RoleDocument, system=prompts.system())
            usage = reply.usage
            output = {
                "content": reply.answer.model_dump(),
                "prompt": prompts.version(),
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
            wanted = RoleCreation.model_validate(task.params)
            written = _written(request)

            def work(tx: Session) -> tuple[dict[str, Any], int]:
                role_id, version = store.save(tx, task.tenant_id, wanted.task_id, wanted.strategy_id, written)
                return _result(role_id, version, written), 1

            run.complete_by(work)
    return run.output


def _plan(tx: Session, request: Attempt) -> None:
    """The steps to come, so that progress knows the whole."""
    planned = [PlannedStep(key, key, LABELS[key]) for key in (WRITE, SAVE)]
    steps.plan_steps(tx, request.task_id, request.attempt, planned)


def _prompt(request: Attempt, collected: dict[str, Any]) -> str:
    wanted = RoleCreation.model_validate(task_row(request.task_id).params)
    given = Material.model_validate(collected["material"])
    if given.base_info is None:
        raise MissingMaterial
    about = {"role_name": given.base_info.role_name, "company": given.base_info.company}
    told = {**about, "goal": given.base_info.goal, "products": [product.name for product in given.products]}
    return prompts.render(
        "role",
        told | wanted.model_dump(),
        **wanted.model_dump(),
        **about,
        missing="、".join(collected["missing"]) or "无",
        material=given.model_dump_json(exclude_defaults=True),
    )


def _written(request: Attempt) -> Written:
    collected = steps.output_of(request.task_id, request.attempt, COLLECT)
    written = steps.output_of(request.task_id, request.attempt, WRITE)
    usage = written["usage"]
    return Written(
        made_by=request.task_id,
        content=RoleDocument.model_validate(written["content"]),
        missing=collected["missing"],
        left_out=collected["left_out"],
        prompt=written["prompt"],
        **usage | {"cost": Decimal(usage["cost"])},
    )


def _result(role_id: str, version: int, written: Written) -> dict[str, Any]:
    return {
        "role_id": role_id,
        "version": version,
        "missing": written.missing,
        "left_out": written.left_out,
        "model": written.model,
        "tokens": written.prompt_tokens + written.completion_tokens,
        "cost": str(written.cost),
    }
