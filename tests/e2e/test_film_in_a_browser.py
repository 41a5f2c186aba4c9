"""A film and its subtitles are played by a browser, as a player of the callers' would."""

from pathlib import Path

import pytest

from local.providers.dashscope import footage
from tests.browsing import BROWSER, browsing
from videos import film

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: `make browser` installs it")

SECONDS = (2.0, 1.0, 3.0)
PAGE = """<!doctype html><title>film</title><video muted src="film.mp4"></video>"""
PLAYED = """async () => {
    const video = document.querySelector('video');
    await new Promise((done, failed) => {
        video.onended = done;
        video.onerror = () => failed(video.error.message);
        video.playbackRate = 4;
        video.play();
    });
    return [video.duration, video.currentTime, video.videoWidth, video.videoHeight];
}"""


@pytest.mark.parametrize("words", [None, film.Words("The harbour", ["It rises.", "", "潮起潮落。"])])
def test_a_film_is_played_to_its_end(words: film.Words | None, tmp_path: Path) -> None:
    clips = []
    for number, seconds in enumerate(SECONDS):
        clips.append(tmp_path / f"clip-{number}.mp4")
        clips[-1].write_bytes(footage.clip(f"scene {number}", 160, 90, seconds))
    film.join(clips, tmp_path / "film.mp4", words=words)
    (tmp_path / "page.html").write_text(PAGE)
    with browsing() as page:
        page.goto((tmp_path / "page.html").as_uri())
        duration, reached, width, height = page.evaluate(PLAYED)
    assert duration == pytest.approx(sum(SECONDS) + (film.TITLE_SECONDS if words else 0), abs=0.2)
    assert reached == pytest.approx(duration, abs=0.2)
    assert (width, height) == (160, 90)
