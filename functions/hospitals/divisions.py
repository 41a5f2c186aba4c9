"""Finding the divisions to refresh: the task's provinces, a province's cities, a city's districts.

A division without children is its own only child: 北京市 is its own city, 东莞市 its own district, 香港 both. So every
hospital has a district, and every district a city.
"""

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from hospitals import prompts, store
from hospitals.model import CitiesAnswer, DistrictsAnswer, Division, DivisionAnswer
from hospitals.provinces import PROVINCES, find_province
from hospitals.requests import DivisionStep
from longhaul import database, llm
from longhaul.database import Session
from longhaul.errors import BadAnswer
from longhaul.tasks.reading import task_params
from longhaul.tasks.steps import PlannedStep, plan_steps, step
from longhaul.workflows import Attempt


def plan_provinces(request: Attempt) -> list[DivisionStep]:
    """The one province the task names, or all, each planned as a step."""
    named = task_params(request.task_id).get("province")
    provinces = [find_province(named)] if named else list(PROVINCES)
    database.run_transaction(lambda tx: _plan(tx, request, "province", provinces))
    return [DivisionStep(task_id=request.task_id, attempt=request.attempt, **p.model_dump()) for p in provinces]


def find_cities(province: DivisionStep) -> list[DivisionStep]:
    """The province's cities, stored and planned. Raises as `llm.ask`; TaskStopped."""
    return _find(province, "province", "city", "正在获取城市数据", _ask_cities, store.save_cities)


def find_districts(city: DivisionStep) -> list[DivisionStep]:
    """The city's districts, stored and planned. Raises as `llm.ask`; TaskStopped."""
    return _find(city, "city", "district", "正在获取区县列表", _ask_districts, store.save_districts)


def _find(
    parent: DivisionStep,
    level: str,
    child_level: str,
    doing: str,
    ask: Callable[[DivisionStep], Sequence[DivisionAnswer]],
    save: Callable[[Session, str, Sequence[Division]], int],
) -> list[DivisionStep]:
    key, label = f"{level}/{parent.code}", f"{doing}：{parent.name}"
    with step(parent.task_id, parent.attempt, key=key, level=level, label=label) as run:
        if not run.done:
            found = checked(ask(parent), parent.division) or [parent.division]

            def write(tx: Session) -> None:
                save(tx, parent.code, found)
                _plan(tx, parent, child_level, found)

            run.complete({"children": [[division.code, division.name] for division in found]}, save=write)
    return [parent.child(Division(code=code, name=name)) for code, name in run.output["children"]]


def checked(answer: Sequence[DivisionAnswer], parent: Division) -> list[Division]:
    """The divisions without repetitions, by code. BadAnswer when one is malformed or of another province."""
    try:
        divisions = {said.code: Division(code=said.code, name=said.name) for said in answer}
    except ValidationError as error:
        raise BadAnswer(f"a division of {parent.name} is malformed: {error.errors()[0]['msg']}") from error
    strangers = [d.name for d in divisions.values() if d.code[:2] != parent.code[:2]]
    if strangers:
        raise BadAnswer(f"not in {parent.name} by their codes: {', '.join(strangers[:5])}")
    return [divisions[code] for code in sorted(divisions)]


def _ask_cities(province: DivisionStep) -> Sequence[DivisionAnswer]:
    prompt = prompts.render("cities", {"province": province.code}, place=province.place, code=province.code)
    return llm.ask(prompt, CitiesAnswer, system=prompts.system()).cities


def _ask_districts(city: DivisionStep) -> Sequence[DivisionAnswer]:
    prompt = prompts.render("districts", {"city": city.code}, place=city.place, code=city.code)
    return llm.ask(prompt, DistrictsAnswer, system=prompts.system()).districts


def _plan(tx: Session, request: Attempt, level: str, divisions: Sequence[Division]) -> None:
    planned = [PlannedStep(f"{level}/{division.code}", level, division.name) for division in divisions]
    plan_steps(tx, request.task_id, request.attempt, planned)
