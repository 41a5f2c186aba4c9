"""The console in a real browser: the longest frame of a long list and of many steps, and memory under live updates.

    the list       100,000 tasks are read and scrolled, slowly, fast, and from place to place
    the timeline   100,000 steps are read, drawn, zoomed to one bar each, and drawn whole again
    live updates   twenty notices a second for five minutes; the heap after each half minute, garbage collected

The API is one that answers at once (console_stand.py). The floor is the same browser in the same run: it scrolls a box
of the same height that holds nothing. The figures go to console.json.
    make bench NAME=console ARGS="--seconds 60"
"""

import argparse
import os
import time
from typing import Any

from playwright.sync_api import CDPSession, Page, expect

from bench import write_results
from bench.console_stand import TASK, Stand, standing
from tests.browsing import browsing

VIEW = {"width": 1280, "height": 800}
LIVE_A_SECOND = 20.0
LOOK_EVERY = 30.0
LONG_MS = 50

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
SPEEDS = {"slow": 12, "fast": 400, "from place to place": 130_000}  # pixels a frame


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tasks", type=int, default=100_000)
    arguments.add_argument("--steps", type=int, default=100_000)
    arguments.add_argument("--seconds", type=float, default=300, help="of live updates; 0 for none (%(default)s)")
    given = arguments.parse_args()
    figures: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 1), "tasks": given.tasks, "steps": given.steps}
    with standing(given.tasks, given.steps) as stand, browsing(viewport=VIEW) as page:
        if given.tasks:
            figures["list"] = listed(page, stand, given.tasks)
        if given.steps:
            figures["timeline"] = timeline(page, stand)
        if given.seconds:
            figures["live"] = live(page, stand, given.seconds)
        if given.tasks:
            figures["floor"] = floor(page, given.tasks)
    for name, found in figures.items():
        print(name, found)
    write_results("console.json", figures)


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
    found = {}
    for name, step in SPEEDS.items():
        page.evaluate(WATCH)
        page.evaluate(SCROLL, [selector, step, 300])
        found[name] = watched(page)
    return found


def listed(page: Page, stand: Stand, tasks: int) -> dict[str, Any]:
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
    assert page.locator(".space").evaluate("(node) => node.clientHeight") >= tasks * 40
    return {"read to the end": read, **scrolled(page, ".scroll")}


def floor(page: Page, tasks: int) -> dict[str, Any]:
    page.evaluate(EMPTY, [tasks * 40])
    return scrolled(page, "#empty")


def timeline(page: Page, stand: Stand) -> dict[str, Any]:
    sign_in(page, stand, f"tasks/{TASK}")
    page.evaluate(WATCH)
    started = time.perf_counter()
    expect(page.locator(".timeline svg")).to_be_visible()
    page.get_by_role("button", name="Load all steps").click()
    expect(page.locator(".timeline")).not_to_contain_text("there are more")
    opened = {"seconds": round(time.perf_counter() - started, 1), **watched(page)}
    page.evaluate(WATCH)
    started, presses = time.perf_counter(), 0
    while not page.locator("g.bar").count():
        page.get_by_role("button", name="Zoom in").click()
        presses += 1
    zoomed = {"presses": presses, "seconds": round(time.perf_counter() - started, 1)}
    page.get_by_role("button", name="All of it").click()
    expect(page.locator("rect.working").first).to_be_visible()
    return {"opened": opened, "zoomed": zoomed | watched(page)}


def live(page: Page, stand: Stand, seconds: float) -> dict[str, Any]:
    sign_in(page, stand)
    expect(page.locator(".live")).to_contain_text("Live")
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("Performance.enable")
    stand.a_second, before = LIVE_A_SECOND, stand.sent
    page.wait_for_timeout(5000)  # what is made once
    heaps, started = [heap(session)], time.perf_counter()
    while time.perf_counter() - started < seconds:
        page.wait_for_timeout(min(LOOK_EVERY, seconds / 4) * 1000)
        heaps.append(heap(session))
    stand.a_second = 0
    return {"notices": stand.sent - before, "after": heaps}


def heap(session: CDPSession) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return {
        "heap_mb": round(found["JSHeapUsedSize"] / 2**20, 2),
        "nodes": int(found["Nodes"]),
        "listeners": int(found["JSEventListeners"]),
    }


if __name__ == "__main__":
    main()
