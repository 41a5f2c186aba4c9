"""Take pictures of the console: `make screenshots`. A stack of its own gets tasks that run, wait, fail and have ended.

Each page is taken in both themes and languages, and in two looks as a telephone shows all of it. One picture is the
README's.
"""

import argparse
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, expect

from local.demo.roles import MATERIAL, OWN_TASK, PARAMS
from local.options import ROOT
from local.providers.llm.models import PERSONAS
from local.running import RunningStack, eventually, local_stack
from tests.browsing import BROWSER, Console, browsing
from tests.observation import Observer
from tests.providing import Provider, held

FOLDER = ROOT / ".screenshots"
README = ROOT / "docs" / "console.png"
WIDE = {"width": 1280, "height": 800}
TELEPHONE = {"width": 375, "height": 740}
LOOKS = (("en", "light"), ("en", "dark"), ("zh", "light"), ("zh", "dark"))
LOCALES = {"en": "en-GB", "zh": "zh-CN"}

type Shots = list[tuple[str, str, str]]  # name, path in the console, what shows that it is there


def main() -> int:
    parser = argparse.ArgumentParser(prog="make screenshots", description="Take pictures of the console.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="(%(default)s)")
    given = parser.parse_args()
    if BROWSER is None:
        print("screenshots: there is no chromium: make browser", file=sys.stderr)
        return 1
    given.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as state, local_stack(Path(state), minute=5.0) as stack:
        shots = prepared(stack)
        for language, theme in LOOKS:
            with browsing(viewport=WIDE, color_scheme=theme, locale=LOCALES[language]) as page:
                take(page, stack, shots, f"{language}-{theme}", given.folder)
                if (language, theme) == ("en", "light"):
                    README.write_bytes((given.folder / f"task-{language}-{theme}.png").read_bytes())
        for language, theme in (LOOKS[0], LOOKS[-1]):
            with browsing(viewport=TELEPHONE, color_scheme=theme, locale=LOCALES[language]) as page:
                take(page, stack, shots, f"telephone-{language}-{theme}", given.folder, whole=True)
    count = len(list(given.folder.glob("*.png")))
    print(f"{given.folder}: {count} pictures; {README.relative_to(ROOT)} is the README's")
    return 0


def prepared(stack: RunningStack) -> Shots:
    """Fill the stack, and say which pages there are to see."""
    observer, provider = Observer(stack), Provider(stack.provider_url)
    for kind, body in MATERIAL.items():
        assert observer.request("PUT", f"/api/v1/role-tasks/{OWN_TASK}/{kind}", json=body).status == 200
    models = [persona.name for persona in PERSONAS[:3]]
    leads = [{"leads_id": f"L-{n}", "phone": f"138000{n:05d}", "name": "王女士"} for n in range(1, 21)]
    questions = ["种植牙哪家好？", "看牙先看什么？", "哪里可以分期？"]
    role = submit(observer, "role_creation", PARAMS)
    calls = submit(observer, "call_campaign", {"name": "秋季回访", "script_id": "demo", "leads": leads})
    grid = submit(observer, "brand_diagnosis", {"brand": "晨光口腔", "questions": questions, "models": models})
    submit(observer, "text_summaries", {"texts": [f"Note {n}: the visit went well." for n in range(20)]})
    observer.submit("海南省")
    refreshed = observer.refresh("澳门")["task_id"]
    provider.control(videos={"job_seconds": 0, "scale": 0.25})
    film = submit(observer, "video_generation", {"topic": "How the tide turns", "seconds": 15, "max_cost": "30"})
    begun = observer.request("POST", "/api/v1/conversations", json={"title": "A film of the tide"})
    talk, said = begun.json()["conversation_id"], {"content": "The tide, 10 s, 16:9, style: watercolour"}
    assert observer.request("POST", f"/api/v1/conversations/{talk}/messages", json=said).status < 300
    for task_id in (role, calls, grid, film):
        observer.ended(task_id)
    failed = submit(observer, "brand_diagnosis", {"brand": "晨光口腔", "questions": questions, "models": ["nobody"]})
    observer.ended(failed)
    provider.control(slow_keys={**held("440000"), **held("320000")}, latency_ms=900)
    running = observer.submit("广东省")
    eventually(lambda: observer.read(running)["progress"] >= 30)
    observer.post("/api/v1/tasks", {"kind": "hospital_full_refresh", "params": {}, "run_after": tomorrow()})
    [made] = observer.get("/api/v1/roles")["items"]
    return [
        ("tasks", "tasks", ".space .row"),
        ("task", f"tasks/{quote(running)}", ".timeline svg"),
        ("errors", f"tasks/{quote(failed)}?tab=errors", "#panel"),
        ("calls", f"tasks/{quote(calls)}?tab=results", ".call"),
        ("grid", f"tasks/{quote(grid)}?tab=results", "table.grid"),
        ("submit", "submit?kind=call_campaign", "form"),
        ("queues", "queues", "td"),
        ("charts", "charts?window=1h", "canvas"),
        ("hospitals", "hospitals", "td"),
        ("changes", f"tasks/{quote(refreshed)}?tab=results", "#panel td"),
        ("refreshed", "hospitals?province=820000", "details.card"),
        ("history", f"tasks/{quote(failed)}?tab=history", ".events li"),
        ("data", f"tasks/{quote(grid)}?tab=data", ".tree"),
        ("roles", "roles", "td"),
        ("alerts", "alerts", "td"),
        ("conversations", "conversations", "article"),
        ("role", f"roles/{quote(made['role_id'])}", ".answer"),
        ("webhooks", "webhooks", "main p"),
        ("videos", "videos", ".films"),
        ("film", f"videos/{quote(film)}", "video.film"),
        ("conversation", f"conversations/{talk}", ".chat li"),
    ]


def submit(observer: Observer, kind: str, params: Any) -> str:
    return str(observer.post("/api/v1/tasks", {"kind": kind, "params": params})["task_id"])


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def take(page: Page, stack: RunningStack, shots: Shots, look: str, folder: Path, *, whole: bool = False) -> None:
    console = Console(page, stack)
    console.sign_in()
    for name, path, shown in shots:
        console.open(path)
        expect(page.locator(shown).first).to_be_visible()
        expect(page.locator("[data-state=live]")).to_be_visible()
        page.screenshot(path=folder / f"{name}-{look}.png", full_page=whole)
    assert console.wrong == [], console.wrong


if __name__ == "__main__":
    sys.exit(main())
