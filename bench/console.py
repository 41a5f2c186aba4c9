"""The console in a real browser, a part at a time or all of them.

    frames      100,000 tasks are read and scrolled, slowly, fast, and from place to place: how long frames last
    timeline    100,000 steps are read, drawn, zoomed to one bar each, and drawn whole again; and the heap they hold
    paint       how soon the page shows its list, with nothing kept and from the browser's cache; bytes of scripts
    memory      a hundred notices a second for five minutes; the heap after each minute, garbage collected

The API is one that answers at once (console_stand.py). The floor of frames is the same browser in the same run: it
scrolls a box of the same height that holds nothing. The figures go to console.json, where each part replaces its own.
    make bench NAME=console ARGS="--part frames --part paint"
"""

import argparse
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import CDPSession, Page, expect

from bench import results_folder, write_results
from bench.console_stand import TASK, Stand, standing
from local.gateway.console import DIST
from tests.browsing import browsing

VIEW = {"width": 1280, "height": 800}
LIVE_A_SECOND = 100.0
LOOK_EVERY = 60.0
LONG_MS = 50
OPENINGS = 10  # of the page, for its first paint

# Frames are counted by when each begins; what the main thread did in the long ones, by the browser itself.
WATCH = """() => {
    const watch = (window.watch = {gaps: [], long: [], on: true});
    const keep = (entries) => watch.long.push(...entries.map((entry) => entry.duration));
    watch.observer = new PerformanceObserver((list) => keep(list.getEntries()));
    watch.observer.observe({type: 'long-animation-frame'});
    let before = performance.now();
    const frame = (now) => {
        watch.gaps.push(now - before);
        before = now;
        if (watch.on) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""
WATCHED = """() => {
    watch.on = false;
    watch.long.push(...watch.observer.takeRecords().map((entry) => entry.duration));
    watch.observer.disconnect();
    return {gaps: watch.gaps.slice(1), long: watch.long};
}"""
SCROLL = """([selector, step, frames]) => new Promise((done) => {
    const box = document.querySelector(selector);
    const most = box.scrollHeight - box.clientHeight;
    let left = frames;
    const frame = () => {
        const next = box.scrollTop + step;
        box.scrollTop = next > most ? 0 : next;
        if (left-- > 0) requestAnimationFrame(frame);
        else done();
    };
    requestAnimationFrame(frame);
})"""
EMPTY = """([height]) => {
    document.body.innerHTML = '<div id="empty"><div></div></div>';
    const [box, space] = [document.querySelector('#empty'), document.querySelector('#empty div')];
    [box.style.height, box.style.overflow, space.style.height] = ['600px', 'auto', height + 'px'];
}"""
FOLLOW = """(path) => {
    const link = document.createElement('a');
    link.href = path;
    document.body.append(link);
    link.click();
    link.remove();
}"""
PRESS = """([name, until]) => new Promise((done) => {
    const presses = [];
    const press = () => {
        const button = [...document.querySelectorAll('.timeline button')].find((one) =>
            (one.ariaLabel ?? one.textContent) === name);
        const began = performance.now();
        button.click();
        requestAnimationFrame(() => setTimeout(() => {
            presses.push(performance.now() - began);
            if (document.querySelector(until)) done(presses);
            else press();
        }));
    };
    press();
})"""
# Of the day, since the page that is opened goes to the issuer and comes back.
PAINTED = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => {
    const paint = performance.getEntriesByName('first-contentful-paint')[0].startTime;
    done({first_paint_ms: performance.timeOrigin + paint, list_ms: performance.timeOrigin + performance.now()});
})))"""
FRAMES = 300  # at each speed
SPEEDS = {"slow": 12, "fast": 400, "from place to place": 130_000}  # pixels a frame


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--part", action="append", choices=PARTS, help="can be given several times; without it all")
    arguments.add_argument("--tasks", type=int, default=100_000)
    arguments.add_argument("--steps", type=int, default=100_000)
    arguments.add_argument("--seconds", type=float, default=300, help="of live updates (%(default)s)")
    given = arguments.parse_args()
    for name in given.part or PARTS:
        load = round(os.getloadavg()[0], 1)
        with standing(given.tasks, given.steps) as stand, browsing(viewport=VIEW) as page:
            found = {"load_average": load, **PARTS[name](page, stand, given)}
        print(name, json.dumps(found, indent=2))
        keep(name, found)


def keep(part: str, found: dict[str, Any]) -> None:
    path = results_folder() / "console.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_results(
        "console.json", {name: (before | {part: found})[name] for name in PARTS if name in before or name == part}
    )


def sign_in(page: Page, stand: Stand, path: str = "") -> None:
    page.goto(f"{stand.url}/console/{path}")
    page.get_by_role("button", name="Sign in").or_(page.locator(".shell")).first.wait_for()
    if page.get_by_role("button", name="Sign in").is_visible():
        page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".shell")).to_be_visible()


def watched(page: Page) -> dict[str, Any]:
    found = page.evaluate(WATCHED)
    gaps = sorted(found["gaps"])
    return {
        "frames": len(gaps),
        "p50_ms": round(gaps[len(gaps) // 2], 1),
        "p99_ms": round(gaps[int(len(gaps) * 0.99)], 1),
        "longest_ms": round(gaps[-1], 1),
        "over_50_ms": sum(1 for gap in gaps if gap > LONG_MS),
        "longest_script_ms": round(max(found["long"], default=0), 1),
    }


def scrolled(page: Page, selector: str) -> dict[str, Any]:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    found = {}
    for name, step in SPEEDS.items():
        before = metrics(session)["TaskDuration"]
        page.evaluate(WATCH)
        page.evaluate(SCROLL, [selector, step, FRAMES])
        frames = watched(page)
        busy = metrics(session)["TaskDuration"] - before
        found[name] = frames | {"main_thread_ms_a_frame": round(busy * 1000 / FRAMES, 2)}
    return found


def frames(page: Page, stand: Stand, given: argparse.Namespace) -> dict[str, Any]:
    sign_in(page, stand)
    expect(page.locator(".space .row").first).to_be_visible()
    page.evaluate(WATCH)
    started = time.perf_counter()
    page.evaluate(
        """() => new Promise((done) => {
            const box = document.querySelector('.scroll');
            const state = document.querySelector('p.state');
            const frame = () => {
                box.scrollTop = box.scrollHeight;
                if (state.textContent.includes('all of them')) done();
                else requestAnimationFrame(frame);
            };
            frame();
        })"""
    )
    read = {"seconds": round(time.perf_counter() - started, 1), **watched(page)}
    assert page.locator(".space").evaluate("(node) => node.clientHeight") >= given.tasks * 40
    found = {"tasks": given.tasks, "read to the end": read, **scrolled(page, ".scroll")}
    page.evaluate(EMPTY, [given.tasks * 40])
    return found | {"floor": scrolled(page, "#empty")}


def timeline(page: Page, stand: Stand, given: argparse.Namespace) -> dict[str, Any]:
    sign_in(page, stand)
    session = profiled(page)
    before = heap(session)["heap_mb"]
    page.evaluate(FOLLOW, f"/console/tasks/{TASK}")  # a page that is loaded anew has another heap
    page.evaluate(WATCH)
    started = time.perf_counter()
    expect(page.locator(".timeline svg")).to_be_visible()
    page.get_by_role("button", name="Load all steps").click()
    expect(page.locator(".timeline")).not_to_contain_text("first")
    opened = {"seconds": round(time.perf_counter() - started, 1), **watched(page)}
    return {
        "steps": given.steps,
        "read and drawn": opened,
        "zoomed to bars": zoomed(page, "Zoom in", "g.bar"),
        "all of it again": zoomed(page, "All of it", "rect.working"),
        "heap_mb": round(heap(session)["heap_mb"] - before, 1),
    }


def zoomed(page: Page, button: str, until: str) -> dict[str, Any]:
    """Press the button until what is looked for is drawn. Each press is timed to the frame that shows its effect."""
    page.evaluate(WATCH)
    presses = page.evaluate(PRESS, [button, until])
    return {"presses": len(presses), "longest_press_ms": round(max(presses), 1), **watched(page)}


def paint(page: Page, stand: Stand, given: argparse.Namespace) -> dict[str, Any]:
    """The page is opened anew: it signs in silently, reads the first page of the list, and draws it."""
    sign_in(page, stand)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    found: dict[str, Any] = {}
    for name, kept in (("nothing kept", False), ("files kept", True)):
        session.send("Network.setCacheDisabled", {"cacheDisabled": not kept})
        drawn = []
        for _ in range(OPENINGS):
            began = time.time() * 1000
            page.goto(f"{stand.url}/console/")
            page.locator(".space .row").first.wait_for()
            drawn.append({key: at - began for key, at in page.evaluate(PAINTED).items()})
        found[name] = {key: round(statistics.median(one[key] for one in drawn)) for key in drawn[0]}
    scripts = {path.name: len(gzip.compress(path.read_bytes())) for path in (DIST / "assets").glob("*.js")}
    first = next(size for name, size in scripts.items() if name.startswith("index-"))
    return found | {"scripts_kb": {"first page": round(first / 1024, 1), "all": round(sum(scripts.values()) / 1024, 1)}}


def memory(page: Page, stand: Stand, given: argparse.Namespace) -> dict[str, Any]:
    sign_in(page, stand)
    expect(page.locator(".live")).to_contain_text("Live")
    session = profiled(page)
    stand.a_second, before = LIVE_A_SECOND, stand.sent
    page.wait_for_timeout(5000)  # what is made once
    heaps, started = [heap(session)], time.perf_counter()
    while time.perf_counter() - started < given.seconds:
        page.wait_for_timeout(min(LOOK_EVERY, given.seconds / 4) * 1000)
        heaps.append(heap(session))
    stand.a_second = 0
    return {"tasks": given.tasks, "seconds": given.seconds, "notices": stand.sent - before, "after": heaps}


def profiled(page: Page) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("Performance.enable")
    return session


def metrics(session: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def heap(session: CDPSession) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    found = metrics(session)
    return {
        "heap_mb": round(found["JSHeapUsedSize"] / 2**20, 2),
        "nodes": int(found["Nodes"]),
        "listeners": int(found["JSEventListeners"]),
    }


PARTS: dict[str, Callable[[Page, Stand, argparse.Namespace], dict[str, Any]]] = {
    "frames": frames,
    "timeline": timeline,
    "paint": paint,
    "memory": memory,
}

if __name__ == "__main__":
    main()
