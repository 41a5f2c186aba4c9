"""Videos made in this process (run_video_step and assemble_film run these steps), by a provider that goes wrong."""

import io
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import av
import pytest
from pydantic import ValidationError

from longhaul import aws, database
from longhaul.aws import rate
from longhaul.errors import ProviderUnavailable, StepTimeout
from longhaul.testing import Fail, Kill, Twice
from longhaul.workloads import running
from tests.chatting import StandIn
from tests.integration.videos.conftest import BUCKET, failures, film_of, keys, make
from videos import film, jobs, store
from videos.model import Part, Video
from videos.provider import ListedJob, Provider

type Control = Callable[..., None]
FILM = ["000/film-1.mp4", "000/preview-1.mp4", "000/subtitles-1.vtt", "000/thumbnail-1.jpg"]
SCENE_COST = Decimal("0.14") + 5 * Decimal("0.60")


def creates(stand_in: StandIn) -> int:
    """How many jobs were asked for."""
    return int(stand_in.calls(ask="video", key="create")["count"])


def test_a_video_is_made_from_topic_to_film(model: StandIn) -> None:
    run = make({})
    assert (run.status, run.error) == ("SUCCEEDED", None)
    assert run.result is not None
    assert run.result["missing"] == []
    assert run.result["cost"] == f"{2 * SCENE_COST:.2f}"
    assert Decimal(run.task.statistics["cost"]) == 2 * SCENE_COST
    assert keys() == [*FILM, "001/clip-1.mp4", "001/frame-1.png", "002/clip-1.mp4", "002/frame-1.png"]
    assert creates(model) == 4
    with av.open(io.BytesIO(film_of(run))) as film:
        assert abs(film.duration / 1_000_000 - 10) < 0.2
        assert [stream.type for stream in film.streams] == ["video", "audio"]
        assert sum(1 for _ in film.decode(video=0)) == 120
    subtitles = aws.client("s3").get_object(Bucket=BUCKET, Key=f"test/{run.task_id}/000/subtitles-1.vtt")["Body"].read()
    assert b"00:00:05.000 --> 00:00:10.000\nThis is said in scene 2." in subtitles


def test_a_storyboard_is_written_eight_scenes_at_a_time_and_a_long_film_is_joined_in_parts() -> None:
    run = make({"seconds": 60})
    assert run.status == "SUCCEEDED"
    assert [key for key in run.outputs if key.startswith("scenes/")] == ["scenes/001", "scenes/009"]
    assert [key for key in run.outputs if key.startswith("part/")] == ["part/001", "part/002"]
    with av.open(io.BytesIO(film_of(run))) as film:
        assert abs(film.duration / 1_000_000 - 60) < 0.2


@pytest.mark.usefixtures("in_twos")
@pytest.mark.parametrize("scenes", [[2], [2, 1]])  # of each part; the latter film is joined of two
def test_a_film_may_begin_with_its_title_and_show_what_is_said(
    scenes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card counts in its length, and moves the subtitles."""
    join, words = film.join, []

    def noted(*given: Any, **named: Any) -> Any:
        words.append(named["words"])
        return join(*given, **named)

    monkeypatch.setattr(film, "join", noted)
    said = [f"This is said in scene {number}." for number in range(1, sum(scenes) + 1)]
    run = make({"seconds": 5 * len(said), "title_card": True, "burn_subtitles": True})
    assert run.status == "SUCCEEDED"
    assert run.result is not None
    assert (run.result["seconds"], run.result["scenes"]) == (5 * len(said) + 2, len(said))
    parts = [film.Words("Tides", said[: scenes[0]]), *(film.Words(None, said[first:]) for first in scenes[:-1])]
    assert words == [*parts, *([None] if len(parts) > 1 else [])]
    with av.open(io.BytesIO(film_of(run))) as made:
        assert abs(made.duration / 1_000_000 - 5 * len(said) - 2) < 0.2
    subtitles = aws.client("s3").get_object(Bucket=BUCKET, Key=f"test/{run.task_id}/000/subtitles-1.vtt")["Body"].read()
    assert b"00:00:07.000 --> 00:00:12.000\nThis is said in scene 2." in subtitles


@pytest.mark.parametrize("option", ["title_card", "burn_subtitles"])
def test_what_the_font_cannot_write_is_refused(option: str) -> None:
    Video.model_validate({"topic": "tides", "language": "zh-CN", option: True})
    Video.model_validate({"topic": "tides", "language": "th"})
    with pytest.raises(ValidationError, match=f"{option} cannot write th"):
        Video.model_validate({"topic": "tides", "language": "th", option: True})


def test_a_model_that_begins_with_the_text_needs_no_frames() -> None:
    run = make({"model": "wan2.6-t2v"})
    assert run.status == "SUCCEEDED"
    assert not [key for key in keys() if "frame" in key]


@pytest.mark.parametrize(
    "faults",
    [[Kill("frame/001"), Kill("clip/001", "before"), Twice("clip/002")], [Kill("film"), Kill("script"), Twice("film")]],
)
def test_each_job_is_paid_for_once_whoever_is_killed(faults: list[Any], model: StandIn) -> None:
    run = make({}, faults=faults)
    assert run.status == "SUCCEEDED"
    assert creates(model) == 4
    assert Decimal(run.task.statistics["cost"]) == 2 * SCENE_COST


def test_a_create_whose_answer_was_lost_is_looked_for_before_another_is_paid(
    dashscope: Control, model: StandIn
) -> None:
    dashscope(script=["lost_answer", "ok", "lost_answer", "lost_answer"])
    run = make({})
    assert run.status == "SUCCEEDED"
    assert creates(model) == 4
    assert model.calls(ask="video", key="list")["count"] == 3


def test_looks_are_limited_for_all_steps_together_and_one_too_many_uses_up_no_try(
    model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an account whose looks of this second are used up, again and again
    admitted, asked = rate.admitted, list[tuple[str, float]]()

    def rarely(name: str, *, per_second: float) -> bool:
        asked.append((name, per_second))
        return len(asked) > 30 and admitted(name, per_second=per_second)

    monkeypatch.setattr(rate, "admitted", rarely)
    run = make({})
    assert (run.status, failures(run)) == ("SUCCEEDED", {})
    assert set(asked) == {("dashscope:queries", 20)}
    assert int(model.calls(ask="video", key="read")["count"]) == len(asked) - 30
    assert creates(model) == 4


def test_a_create_that_never_arrived_is_sent_again(dashscope: Control, model: StandIn) -> None:
    dashscope(script=["drop", "500", "throttled"])
    run = make({})
    assert run.status == "SUCCEEDED"
    assert creates(model) == 7
    assert Decimal(run.task.statistics["cost"]) == 2 * SCENE_COST


def test_a_search_for_a_lost_job_is_of_the_time_of_the_last_create(
    dashscope: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[tuple[datetime, datetime]] = []

    def none(self: Provider, model: str, since: datetime, until: datetime) -> list[ListedJob]:
        searches.append((since, until))
        return []

    monkeypatch.setattr(Provider, "list_jobs", none)
    monkeypatch.setattr(jobs, "CREATE_LASTS", timedelta(0))
    dashscope(script=["drop", "drop"])
    assert make({}).status == "SUCCEEDED"
    (first, to_first), (second, to_second) = searches
    assert second > first
    assert to_first - first == to_second - second == 2 * jobs.CLOCKS_DIFFER


def test_a_step_whose_time_is_over_in_the_middle_of_a_create_pays_once(
    model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, delay, late = Provider.create, running._delay, iter([True])
    waits: list[float] = []

    def slow(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        job_id = create(self, path, body)
        if next(late, False):
            raise StepTimeout  # as the signal does, after the provider has made the job
        return job_id

    def noted(task: Any, item: Any, tries: int, seconds: float, error: Exception | None) -> None:
        waits.append(seconds)
        delay(task, item, tries, seconds, error)

    monkeypatch.setattr(Provider, "create", slow)
    monkeypatch.setattr(running, "_delay", noted)
    run = make({})
    assert run.status == "SUCCEEDED"
    assert max(waits) == jobs.UNCLEAR_SECONDS  # until the provider's list has it
    assert creates(model) == 4
    assert Decimal(run.task.statistics["cost"]) == 2 * SCENE_COST


def test_two_steps_never_have_one_job(model: StandIn, monkeypatch: pytest.MonkeyPatch, sql: Any) -> None:
    # GIVEN another step, which takes the first job for the one that it has lost
    other, create, first = make({"approve": "script"}), Provider.create, iter([True])

    def taken(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        job_id = create(self, path, body)
        if next(first, False):
            with database.connection() as session:
                assert store.claim_job(session, job_id, other.task_id, "frame/001")
        return job_id

    monkeypatch.setattr(Provider, "create", taken)
    run = make({})
    assert run.status == "SUCCEEDED"
    # THEN that step keeps it, and ours has another
    assert creates(model) == 5
    assert sql("SELECT COUNT(*) AS n FROM video_jobs WHERE task_id = %s", run.task_id) == [{"n": 4}]


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("truncated", "bad_footage", "cannot be read"),
        ("no_picture", "bad_footage", "no picture"),
        ("short", "bad_footage", "lasts 2.50 s, not 5 s"),
        ("expired", "bad_answer", "answers 403"),
    ],
)
def test_what_cannot_be_used_fails_its_step_and_never_reaches_the_film(
    fault: str, code: str, reason: str, dashscope: Control, model: StandIn
) -> None:
    dashscope(script=["ok", "ok", fault])
    run = make({})
    assert run.status == "FAILED"
    assert run.error is not None
    assert reason in run.error.message
    assert failures(run) == {"clips/clip/001": code}
    assert keys() == ["001/frame-1.png", "002/clip-1.mp4", "002/frame-1.png"]
    # AND a retry has that clip made anew, and nothing else
    assert run.retry().status == "SUCCEEDED"
    assert creates(model) == 5
    assert Decimal(run.task.statistics["cost"]) == 2 * SCENE_COST + 3  # a clip that was made is paid for


def test_a_clip_without_sound_is_silent_in_the_film(dashscope: Control) -> None:
    dashscope(script=["ok", "ok", "no_audio"])
    run = make({})
    assert run.status == "SUCCEEDED"
    with av.open(io.BytesIO(film_of(run))) as film:
        assert abs(float(film.streams.audio[0].duration * film.streams.audio[0].time_base) - 10) < 0.1


@pytest.mark.parametrize(("fault", "lost"), [("failed", "0"), ("unknown", "0.14")])
def test_a_job_that_failed_or_is_unknown_gives_way_to_another(
    fault: str, lost: str, dashscope: Control, model: StandIn
) -> None:
    dashscope(script=[fault])
    run = make({})
    assert run.status == "SUCCEEDED"
    assert creates(model) == 5
    assert Decimal(run.task.statistics["cost"]) == 2 * SCENE_COST + Decimal(lost)  # one that is unknown may be paid for


def test_a_scene_that_moderation_refuses_fails_the_task_with_the_reason(dashscope: Control) -> None:
    dashscope(refuses=["picture 2"])
    run = make({})
    assert run.status == "FAILED"
    assert run.error is not None
    assert (run.error.code, "frame 2: Scene 2: DataInspectionFailed" in run.error.message) == (
        "too_many_failures",
        True,
    )
    assert failures(run) == {"frames/frame/002": "content_refused"}


def test_or_the_film_goes_without_it_and_says_so(dashscope: Control) -> None:
    dashscope(refuses=["picture 2"])
    run = make({"seconds": 15, "on_missing": "skip"})
    assert run.status == "SUCCEEDED"
    assert run.result is not None
    (missing,) = run.result["missing"]
    assert missing["item"] == "frame 2: Scene 2"
    assert "inappropriate" in missing["reason"]
    with av.open(io.BytesIO(film_of(run))) as film:
        assert abs(film.duration / 1_000_000 - 10) < 0.2


@pytest.mark.parametrize(
    ("faults", "missing"),
    [
        ({"refuses": ["picture 2"]}, "frame 2: Scene 2"),
        ({"script": ["ok", "ok", "ok", "ok", "truncated"]}, "clip 2: Scene 2"),
    ],
)
def test_a_scene_that_was_skipped_is_not_paid_for_once_the_film_goes_without_it(
    faults: dict[str, Any], missing: str, dashscope: Control, model: StandIn
) -> None:
    dashscope(**faults)
    run = make({"seconds": 15, "on_missing": "skip"}, faults=[Fail("film", times=3)])
    assert run.status == "FAILED"
    paid = creates(model)
    # WHEN the provider could make it now, and the task is tried again
    dashscope()
    assert run.retry().status == "SUCCEEDED"
    assert creates(model) == paid
    assert run.result is not None
    assert [one["item"] for one in run.result["missing"]] == [missing]
    assert run.result["scenes"] == 2


def test_a_film_without_a_scene_is_none(dashscope: Control) -> None:
    dashscope(refuses=["picture"])
    run = make({"on_missing": "skip"})
    assert run.status == "FAILED"
    assert run.error is not None
    assert "nothing to join" in run.error.message


def test_a_budget_that_is_reached_half_way_pauses_the_task_and_is_never_passed(model: StandIn) -> None:
    run = make({"seconds": 15, "max_cost": "7.00", "on_missing": "skip"})
    assert run.error is not None
    assert (run.status, run.error.code) == ("PAUSED", "budget_reached")
    assert "raise the budget and resume" in run.error.message
    assert failures(run) == {}
    # WHEN it is resumed as it is, THEN what the budget does not allow fails, and the film goes without it
    assert run.resume().status == "SUCCEEDED"
    assert run.result is not None
    assert set(failures(run).values()) == {"budget_reached"}
    assert run.result["scenes"] == 2
    assert Decimal(run.task.statistics["cost"]) == 3 * Decimal("0.14") + 2 * Decimal("3.00")
    assert creates(model) == 5


def lose_the_first_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its step fails without learning whether there is a job: what it may cost stays held."""
    create = Provider.create

    def lost(self: Provider, path: str, body: Mapping[str, Any]) -> str:
        if "img_url" in body["input"] and "picture 1" in body["input"]["prompt"]:
            raise ProviderUnavailable
        return create(self, path, body)

    monkeypatch.setattr(Provider, "create", lost)
    monkeypatch.setattr(jobs, "AWAY", -timedelta(seconds=1))


def test_while_other_jobs_hold_the_budget_a_step_waits_and_uses_up_no_try(
    model: StandIn, monkeypatch: pytest.MonkeyPatch, sql: Any
) -> None:
    delay, waits = running._delay, iter(range(30))

    def until_it_is_free(task: Any, item: Any, *others: Any) -> None:
        delay(task, item, *others)
        if item.item_key == "clip/003" and next(waits, None) is None:
            sql("UPDATE task_spending SET reserved = 0")

    lose_the_first_clip(monkeypatch)
    monkeypatch.setattr(running, "_delay", until_it_is_free)
    run = make({"seconds": 15, "max_cost": "7.00", "on_missing": "skip"})
    assert run.status == "SUCCEEDED"
    assert failures(run) == {"clips/clip/001": "provider_unavailable"}
    # AND it looks for no job meanwhile, as it has asked for none: only the first clip's tries do
    assert model.calls(ask="video", key="list")["count"] == running.TRANSIENT_RETRIES


def test_a_step_does_not_wait_for_ever_for_what_a_failed_one_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    lose_the_first_clip(monkeypatch)
    monkeypatch.setattr(jobs, "PATIENCE", timedelta(0))
    run = make({"seconds": 15, "max_cost": "7.00", "on_missing": "skip"})
    assert (run.status, run.error and run.error.code) == ("PAUSED", "budget_reached")
    assert failures(run) == {"clips/clip/001": "provider_unavailable"}


def test_a_person_approves_the_storyboard_before_anything_is_paid(model: StandIn) -> None:
    run = make({"approve": "storyboard"})
    assert run.error is not None
    assert (run.status, run.error.code) == ("PAUSED", "awaiting_approval")
    assert creates(model) == 0
    with database.connection() as session:
        assert len(store.list_scenes(session, run.task_id)) == 2
    assert run.resume().status == "SUCCEEDED"


def test_the_rows_tell_what_is_in_the_files() -> None:
    run = make({})
    with database.connection() as session:
        found = store.latest(store.list_resources(session, run.task_id))
    clip = found[1, Part.clip]
    assert (clip.measures.seconds, clip.measures.width, clip.measures.height) == (5.0, 160, 90)
    assert (clip.cost, clip.made_by, clip.measures.has_audio) == (Decimal(3), run.task_id, True)
    assert found[0, Part.film].measures.seconds == 10.0
    assert found[0, Part.film].cost == 0
