"""Finds the divisions to refresh: the task's provinces, a province's cities, a city's districts.

A division without children is its own only child: 北京市 is its own city, 东莞市 its own district, 香港 both. So every
hospital has a district, and every district a city.

The state machine's states carry codes, never names. An execution keeps the definition that it began with: one that
began before states carried codes sends names, and is sent them back.
"""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, Field, ValidationError

from hospitals import store
from hospitals.kinds import LABELS
from hospitals.model import CitiesAnswer, Code, DistrictsAnswer, Division, DivisionAnswer
from hospitals.provinces import PROVINCES, find_province, province_of
from longhaul import database, llm, settings
from longhaul.aws.workflows import Attempt
from longhaul.database import Session
from longhaul.errors import BadAnswer, NotFound
from longhaul.llm import prompts
from longhaul.tasks.following import task_row
from longhaul.tasks.step_batches import AT_ONCE, calls_and_threads
from longhaul.tasks.steps import PlannedStep, plan_steps, step

MAX_CHILDREN = 100  # of a division; 四川省 has 21 cities, 重庆市 38 districts
BATCH = 50  # districts that are refreshed one after another, or some at once, within the calls of one batch
MAX_TOKENS = 4_096  # of an answer: three times the districts of Chongqing

_prompts = prompts.load(__file__)


class DivisionStep(Attempt):
    """A division to work on. `within` names the divisions around it (广东省广州市): many districts share a name.

    A state carries the code alone; `named_district` and the like find the names.
    """

    code: Code
    name: str = Field(default="", max_length=50)
    within: str = ""

    @property
    def division(self) -> Division:
        return Division(code=self.code, name=self.name)

    @property
    def place(self) -> str:
        """The full name. A division that is its own child is named once."""
        return self.within if self.within.endswith(self.name) else f"{self.within}{self.name}"

    def child(self, division: Division) -> "DivisionStep":
        return DivisionStep(task_id=self.task_id, attempt=self.attempt, within=self.place, **division.model_dump())


class DistrictBatch(Attempt):
    """Districts to refresh, `at_once` of them at a time."""

    codes: list[Code] = Field(min_length=1)
    at_once: int = Field(ge=1, le=AT_ONCE)


class ProvincesPlan(BaseModel):
    provinces: list[DivisionStep]


class CitiesPlan(BaseModel):
    """`max_districts_in_flight` is how many of the province's cities or districts are worked on at once.

    Districts are refreshed in batches of `batch_size`: so many `batches_at_once`, of each so many `districts_at_once`.
    """

    max_districts_in_flight: int
    batches_at_once: int = 1
    districts_at_once: int = 1
    batch_size: int = BATCH
    cities: list[Code] | list[DivisionStep]


class DistrictsPlan(BaseModel):
    districts: list[Code] | list[DivisionStep]


def carried(parent: DivisionStep, children: Sequence[DivisionStep]) -> list[str] | list[DivisionStep]:
    """The children in the form that the parent's execution carries: codes, or names too."""
    return list(children) if parent.name else [child.code for child in children]


def plan_provinces(request: Attempt) -> list[DivisionStep]:
    """The one province that the task names, or all, each planned as a step."""
    named = task_row(request.task_id).params.get("province")
    provinces = [find_province(named)] if named else list(PROVINCES)
    database.run_transaction(lambda tx: _plan(tx, request, "province", provinces))
    return [DivisionStep(task_id=request.task_id, attempt=request.attempt, **p.model_dump()) for p in provinces]


def find_cities(province: DivisionStep) -> list[DivisionStep]:
    """The province's cities, stored and planned. Raises as `llm.ask`; TaskStopped."""
    province = _named(province, province_of(province.code).name)
    return _find(province, "province", "city", _ask_cities, store.save_cities)


def find_districts(city: DivisionStep) -> list[DivisionStep]:
    """The city's districts, stored and planned. Raises as `llm.ask`; TaskStopped."""
    if not city.name:
        with database.connection() as session:
            found = store.fetch_city(session, city.code)
        if found is None:
            raise NotFound(f"there is no city {city.code}")
        city = _named(city, found.name, province_of(city.code).name)
    return _find(city, "city", "district", _ask_districts, store.save_districts)


def plan_cities(request: DivisionStep) -> CitiesPlan:
    """The province's cities, and how many at once are worked on. Raises as `find_cities`."""
    cities = carried(request, find_cities(request))
    in_flight = settings.of(settings.Hospitals).max_districts_in_flight
    calls, threads = calls_and_threads(in_flight)
    return CitiesPlan(
        max_districts_in_flight=in_flight,
        batches_at_once=calls,
        districts_at_once=threads,
        batch_size=max(threads, BATCH // calls),  # so that a province has a batch for each call
        cities=cities,
    )


def named_district(district: DivisionStep) -> DivisionStep:
    """The district with its name and those of its city and province. Raises NotFound."""
    if district.name:
        return district
    with database.connection() as session:
        found = store.locate_district(session, district.code)
    if found is None:
        raise NotFound(f"there is no district {district.code}")
    known, city = found
    return _named(district, known.name, province_of(district.code).name, city.name)


def _named(division: DivisionStep, name: str, *within: str) -> DivisionStep:
    """`within` are the divisions around it, the largest first; one that is its own child is named once."""
    return division.model_copy(update={"name": name, "within": "".join(dict.fromkeys(within))})


def _find(
    parent: DivisionStep,
    level: str,
    child_level: str,
    ask: Callable[[DivisionStep], Sequence[DivisionAnswer]],
    save: Callable[[Session, str, Sequence[Division]], int],
) -> list[DivisionStep]:
    key, label = f"{level}/{parent.code}", f"{LABELS[level]}：{parent.name}"
    with step(parent.task_id, parent.attempt, key=key, level=level, label=label) as run:
        if not run.done:
            found = checked(ask(parent), parent.division) or [parent.division]

            def write(tx: Session) -> None:
                save(tx, parent.code, found)
                _plan(tx, parent, child_level, found)

            run.complete({"children": [[division.code, division.name] for division in found]}, save=write)
    return [parent.child(Division(code=code, name=name)) for code, name, *_ in run.output["children"]]


def checked(answer: Sequence[DivisionAnswer], parent: Division) -> list[Division]:
    """The divisions without repetitions, by code.

    BadAnswer when one is malformed or of another province, or when they are more than a workflow's state can carry.
    """
    try:
        divisions = {row.code: Division(code=row.code, name=row.name) for row in answer}
    except ValidationError as error:
        raise BadAnswer(f"a division of {parent.name} is malformed: {error.errors()[0]['msg']}") from error
    strangers = [d.name for d in divisions.values() if d.code[:2] != parent.code[:2]]
    if strangers:
        raise BadAnswer(f"not in {parent.name} by their codes: {', '.join(strangers[:5])}")
    if len(divisions) > MAX_CHILDREN:
        raise BadAnswer(f"{len(divisions)} divisions of {parent.name}, at most {MAX_CHILDREN} are believed")
    return [divisions[code] for code in sorted(divisions)]


def _ask_cities(province: DivisionStep) -> Sequence[DivisionAnswer]:
    prompt = _prompts.render("cities", {"province": province.code}, place=province.place, code=province.code)
    return llm.ask(prompt, CitiesAnswer, system=_prompts.system(), max_tokens=MAX_TOKENS).cities


def _ask_districts(city: DivisionStep) -> Sequence[DivisionAnswer]:
    prompt = _prompts.render("districts", {"city": city.code}, place=city.place, code=city.code)
    return llm.ask(prompt, DistrictsAnswer, system=_prompts.system(), max_tokens=MAX_TOKENS).districts


def _plan(tx: Session, request: Attempt, level: str, divisions: Sequence[Division]) -> None:
    planned = [PlannedStep(f"{level}/{division.code}", level, division.name) for division in divisions]
    plan_steps(tx, request.task_id, request.attempt, planned)
