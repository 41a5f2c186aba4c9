"""serve_videos: lists, one video, edits before an approval, scenes anew, deletion."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from longhaul import testing
from longhaul.errors import Conflict
from longhaul.idempotency import KeyedRequest
from longhaul.tasks import lifecycle
from longhaul.testing import Run
from tests import calling
from tests.chatting import StandIn
from tests.integration.videos.conftest import keys, make, write
from videos import files, videos, wire
from videos.model import Script, Versioned, Video

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type Control = Callable[..., None]
type Asked = tuple[int, dict[str, Any], dict[str, str]]
EDIT = {"title": "Ebb", "summary": "It falls.", "look": ""}


def ask(
    method: str, path: str = "", body: Any = None, *, tenant: str = "test", query: str = "", **headers: str
) -> Asked:
    place = f"/api/v1/videos{path}"
    return calling.ask("serve_videos", method, place, body, domain="videos", tenant=tenant, query=query, **headers)


def scene(number: int, **changes: str) -> dict[str, str]:
    return {"title": f"Scene {number}", "narration": f"{number}", "prompt": f"picture {number}", "motion": ""} | changes


def remade(run: Run, number: int, body: dict[str, Any]) -> Run:
    """The task that makes the scene anew, as it went."""
    from videos.kinds import remake

    status, answer, _ = ask("POST", f"/{run.task_id}/scenes/{number}/regenerate", body)
    assert status == 202
    return Run(remake, answer["task_id"], "test", answer=write).go_on()


def test_an_estimate_is_what_it_costs() -> None:
    params = {"topic": "tides", "seconds": 12, "max_cost": "5"}
    status, answer, _ = ask("POST", "/estimate", params)
    assert (status, answer["scenes"], answer["seconds"]) == (200, 3, 15)
    assert (answer["cost"], answer["cost_of_a_scene"], answer["within_budget"]) == ("9.42", "3.14", False)
    assert ask("POST", "/estimate", params | {"model": "sora"})[0] == 422
    assert ask("POST", "/estimate", params | {"scene_seconds": 7})[0] == 422


def test_a_video_is_read_with_its_scenes_and_files(statements: list[str]) -> None:
    run = make({})
    statements.clear()
    status, video, headers = ask("GET", f"/{run.task_id}")
    assert (status, video["status"], video["cost"]) == (200, "SUCCEEDED", "6.28")
    assert len(statements) == 5
    assert video["script"]["content"]["title"] == "Tides"
    assert [one["content"]["title"] for one in video["scenes"]] == ["Scene 1", "Scene 2"]
    assert (video["film"]["seconds"], video["scenes"][0]["clip"]["width"]) == (10.0, 160)
    # AND a link works, for 15 minutes behind the five in which it is the same
    link = video["film"]["url"]
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["1200"]
    answer = urllib3.request("GET", link)
    assert (answer.status, len(answer.data)) == (200, video["film"]["bytes"])
    # AND what is known is not sent again, although its links would differ
    assert ask("GET", f"/{run.task_id}", if_none_match=headers["ETag"])[0] == 304
    assert ask("GET", f"/{run.task_id}", tenant="other")[0] == 404


def test_a_view_is_built_for_an_answer_that_is_sent_and_its_tag_changes_with_all_that_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built, view, page = list[str](), wire.video_view, wire.video_page
    monkeypatch.setattr(wire, "video_view", lambda *given: built.append("video") or view(*given))
    monkeypatch.setattr(wire, "video_page", lambda *given: built.append("list") or page(*given))
    run, tags = make({"approve": "script", "max_cost": "9"}), list[tuple[str, str]]()

    def look() -> None:
        built.clear()
        tags.append((ask("GET", f"/{run.task_id}")[2]["ETag"], ask("GET")[2]["ETag"]))
        assert built == ["video", "list"]
        again = ask("GET", f"/{run.task_id}", if_none_match=tags[-1][0]), ask("GET", if_none_match=tags[-1][1])
        assert ([status for status, *_ in again], built) == ([304, 304], ["video", "list"])

    look()
    ask("PUT", f"/{run.task_id}/script", EDIT)
    look()
    ask("PATCH", f"/{run.task_id}", {"max_cost": "10"})
    look()
    assert run.resume().status == "SUCCEEDED"
    look()
    assert remade(run, 1, {}).status == "SUCCEEDED"
    look()
    assert len({of_video for of_video, _ in tags}) == 5
    assert len({of_list for _, of_list in tags}) == 3  # which shows neither scripts nor money


def test_a_link_is_signed_once_for_all_readers_of_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    run, signed = make({}), []
    link_to, now = files.link_to, time.time()

    def noted(key: str, seconds: int) -> str:
        signed.append(key)
        return link_to(key, seconds)

    monkeypatch.setattr(files, "link_to", noted)
    links = []
    for at in (0, 1, 300):
        monkeypatch.setattr(time, "time", lambda at=at: now // 300 * 300 + at)
        links.append(ask("GET", f"/{run.task_id}")[1]["film"]["url"])
    assert links[0] == links[1]
    assert sorted(signed) == sorted(2 * list(dict.fromkeys(signed)))  # each file once in each of the two times


def test_videos_are_listed_newest_first_in_three_statements(statements: list[str], dashscope: Control) -> None:
    dashscope(refuses=["picture"])
    failed = make({})
    dashscope()
    done = [make({"seconds": 5}) for _ in range(3)]
    statements.clear()
    status, page, _ = ask("GET", query="limit=2")
    assert status == 200
    assert len(statements) == 3
    assert [one["task_id"] for one in page["items"]] == [done[2].task_id, done[1].task_id]
    assert page["items"][0]["seconds"] == 5.0
    assert urllib3.request("GET", page["items"][0]["thumbnail"]["url"]).status == 200
    following = ask("GET", query=f"limit=2&cursor={page['next_cursor']}")[1]
    assert [one["task_id"] for one in following["items"]] == [done[0].task_id, failed.task_id]
    assert urllib3.request("GET", following["items"][0]["preview"]["url"]).status == 200
    assert following["next_cursor"] is None
    assert [one["task_id"] for one in ask("GET", query="status=FAILED")[1]["items"]] == [failed.task_id]
    assert ask("GET", query=f"limit=2&status=FAILED&cursor={page['next_cursor']}")[0] == 400


def test_a_script_is_edited_while_its_approval_is_waited_for_and_made_as_it_was_approved() -> None:
    run = make({"approve": "script"})
    place = f"/{run.task_id}/script"
    _, _, headers = ask("GET", place)
    status, edited, _ = ask("PUT", place, EDIT, if_match=headers["ETag"])
    assert (status, edited["version"], edited["edited_by"]) == (200, 2, "ada")
    # AND who has not seen that is refused
    assert ask("PUT", place, EDIT | {"title": "Flood"}, if_match=headers["ETag"])[0] == 412
    run.resume()
    assert run.status == "SUCCEEDED"
    assert ask("GET", f"/{run.task_id}")[1]["script"]["content"]["title"] == "Ebb"
    # AND afterwards there is nothing to edit
    assert ask("PUT", place, EDIT)[0] == 409


def test_a_storyboard_is_edited_before_anything_is_paid(model: StandIn) -> None:
    run = make({"approve": "storyboard"})
    place = f"/{run.task_id}/storyboard"
    _, seen, headers = ask("GET", place)
    same = seen["scenes"][0]["content"]
    status, edited, _ = ask("PUT", place, {"scenes": [same, scene(2, prompt="a lighthouse")]}, if_match=headers["ETag"])
    assert status == 200
    assert [one["version"] for one in edited["scenes"]] == [1, 2]
    assert ask("PUT", place, {"scenes": [scene(1)]})[0] == 422
    assert ask("PUT", place, {"scenes": [scene(1), scene(2)]}, if_match=headers["ETag"])[0] == 412
    run.resume()
    assert run.status == "SUCCEEDED"
    assert ask("PUT", place, {"scenes": [scene(1), scene(2)]})[0] == 409


def test_of_two_edits_at_once_one_is_refused() -> None:
    run = make({"approve": "script"})
    seen: list[str] = []

    def check(current: Versioned[Script]) -> None:
        if current.version != 1:
            raise Conflict("it was edited meanwhile")

    def edit() -> None:
        request = KeyedRequest("test", None, [])
        try:
            edited = videos.edit_script(run.task_id, "ada", Script(**EDIT), request=request, check=check)
            seen.append(f"version {edited.version}")
        except Conflict:
            seen.append("refused")

    calling.at_once(2, edit)
    assert sorted(seen) == ["refused", "version 2"]


def test_an_edit_that_is_sent_again_is_one_version() -> None:
    run = make({"approve": "script"})
    place = f"/{run.task_id}/script"
    assert ask("PUT", place, EDIT, idempotency_key="once")[1]["version"] == 2
    status, again, headers = ask("PUT", place, EDIT, idempotency_key="once")
    assert (status, again["version"], headers["Idempotency-Replayed"]) == (200, 2, "true")


def test_a_scene_is_made_anew_and_each_version_is_kept(dashscope: Control) -> None:
    run = make({"title_card": True})
    again = remade(run, 2, {"prompt": "a lighthouse"})
    assert (again.status, again.error) == ("SUCCEEDED", None)
    assert again.result is not None
    assert (again.result["video_id"], again.result["cost"], again.result["version"]) == (run.task_id, "3.14", 2)
    video = ask("GET", f"/{run.task_id}")[1]
    first, second = video["scenes"]
    assert (first["version"], len(first["versions"])) == (1, 1)
    assert (second["version"], second["content"]["prompt"], second["edited_by"]) == (2, "a lighthouse", "ada")
    assert [one["version"] for one in second["versions"]] == [2, 1]
    assert (video["film"]["version"], video["film"]["seconds"], video["cost"]) == (2, 12.0, "9.42")
    assert "000/film-1.mp4" in keys()
    assert "000/film-2.mp4" in keys()


def test_while_a_scene_is_made_anew_the_same_request_is_that_task_and_another_is_refused() -> None:
    run = make({})
    place = f"/{run.task_id}/scenes"
    status, first, _ = ask("POST", f"{place}/1/regenerate", {"prompt": "a lighthouse"})
    assert status == 202
    assert ask("POST", f"{place}/1/regenerate", {"prompt": "a lighthouse"})[:2] == (202, first)
    for number, prompt in ((2, "a lighthouse"), (1, "a pier")):
        status, problem, _ = ask("POST", f"{place}/{number}/regenerate", {"prompt": prompt})
        assert (status, problem["code"], problem["open_task_id"]) == (409, "already_open", first["task_id"])


def test_what_cannot_be_made_anew_says_why(dashscope: Control) -> None:
    dashscope(refuses=["picture 2"])
    failed = make({})
    assert ask("POST", f"/{failed.task_id}/scenes/1/regenerate", {})[0] == 409
    dashscope()
    run = make({})
    assert ask("POST", f"/{run.task_id}/scenes/9/regenerate", {})[0] == 404
    assert ask("POST", f"/{run.task_id}/scenes/1/regenerate", {}, tenant="other")[0] == 404
    # AND a task that names another tenant's video fails
    from videos.kinds import remake

    foreign = testing.run(remake, {"video_id": run.task_id, "sequence_number": 1}, tenant_id="other")
    assert foreign.status == "FAILED"
    assert foreign.error is not None
    assert foreign.error.code == "not_found"


def test_a_video_is_deleted_with_its_rows_and_files_once_it_has_ended(sql: Any) -> None:
    waiting = make({"approve": "script"})
    assert ask("DELETE", f"/{waiting.task_id}")[0] == 409
    run = make({})
    assert ask("DELETE", f"/{run.task_id}", tenant="other")[0] == 404
    assert ask("DELETE", f"/{run.task_id}")[:2] == (200, {"files": 8})
    assert keys() == []
    assert ask("GET", f"/{run.task_id}")[0] == 404
    for table in ("scripts", "storyboards", "resources", "video_jobs"):
        assert sql(f"SELECT COUNT(*) AS n FROM {table} WHERE task_id = %s", run.task_id) == [{"n": 0}]
    # AND a task that was cancelled while somebody was asked goes, too
    lifecycle.cancel(waiting.task_id, "test")
    assert ask("DELETE", f"/{waiting.task_id}")[:2] == (200, {"files": 0})


def test_a_longer_scene_costs_more() -> None:
    video = Video.model_validate({"topic": "tides", "seconds": 30, "scene_seconds": 10, "resolution": "1080P"})
    assert (video.scenes, video.cost) == (3, 3 * (Decimal("0.14") + 10))
