"""The console as it is built and served: its size, its headers, its files."""

import asyncio
import gzip
import re
from pathlib import Path

import pytest
from aiohttp import web

from local.gateway.console import DIST, Console
from local.gateway.server import HttpServer
from local.gateway.tokens import Issuer
from local.machine import free_port
from local.options import ROOT

KIB = 1024
BUDGET = 150 * KIB
FIRST = 60 * KIB  # of what is loaded before anything shows

type Answer = tuple[int, dict[str, str], bytes]


def test_all_scripts_and_those_of_the_first_page_stay_within_their_budgets() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in DIST.rglob("*.js")}
    page = (DIST / "index.html").read_text(encoding="utf-8")
    first = sum(size for name, size in sizes.items() if name in page)
    assert sizes
    assert sum(sizes.values()) <= BUDGET, sizes
    assert 0 < first <= FIRST, sizes


def test_the_page_needs_nothing_inline() -> None:
    """What the content security policy refuses would be missing without a word."""
    page = (DIST / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|data:|javascript:", page) == []


def test_no_text_of_others_becomes_markup() -> None:
    sources = [*(ROOT / "console" / "src").rglob("*.svelte"), *(ROOT / "console" / "src").rglob("*.ts")]
    assert len(sources) > 20
    risky = re.compile(r"\{@html|innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    assert [path.name for path in sources if risky.search(path.read_text(encoding="utf-8"))] == []


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>the page", encoding="utf-8")
    (folder / "assets" / "index-1a2b.js").write_text("the script", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("a secret", encoding="utf-8")
    return folder


def get(dist: Path, *paths: str, host: str = "") -> list[Answer]:
    """What the server answers to each path, sent as it is."""

    async def asked() -> list[Answer]:
        port = free_port()
        console = Console(Issuer(dist.parent, port), port, dist)

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return console.answer(request) or web.Response(status=418)

        runner = web.ServerRunner(HttpServer(serve))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        answers = []
        for path in paths:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"GET {path} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port}'}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            raw = await reader.read()
            writer.close()
            top, _, body = raw.partition(b"\r\n\r\n")
            first, *lines = top.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            answers.append((int(first.split()[1]), headers, body))
        await runner.cleanup()
        return answers

    return asyncio.run(asked())


def test_files_are_kept_by_their_hash_and_the_page_is_asked_for_each_time(dist: Path) -> None:
    page, script = get(dist, "/console/", "/console/assets/index-1a2b.js")
    assert (page[0], page[2]) == (200, b"<!doctype html>the page")
    assert page[1]["cache-control"] == "no-cache"
    assert (script[0], script[2]) == (200, b"the script")
    assert "immutable" in script[1]["cache-control"]


def test_an_address_that_is_no_file_is_a_page_of_the_application(dist: Path) -> None:
    deep, missing = get(dist, "/console/tasks/province_%E5%B9%BF%E4%B8%9C_1", "/console/assets/gone.js")
    assert (deep[0], deep[2]) == (200, b"<!doctype html>the page")
    assert missing[0] == 404


@pytest.mark.parametrize("path", ["/console/../secret.txt", "/console/%2e%2e/secret.txt", "/console//../../secret.txt"])
def test_nothing_outside_of_its_folder_is_served(dist: Path, path: str) -> None:
    [(_, _, body)] = get(dist, path)
    assert b"secret" not in body


def test_each_answer_has_the_headers_that_protect_it(dist: Path) -> None:
    for _, headers, _ in get(dist, "/console/", "/console/config.json", "/console/assets/index-1a2b.js"):
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_another_name_of_the_machine_leads_to_the_origin_that_tokens_are_for(dist: Path) -> None:
    [(status, headers, _)] = get(dist, "/console/tasks?status=FAILED", host="localhost:1")
    assert status == 307
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/console/tasks\?status=failed", headers["location"])
    [(status, headers, _)] = get(dist, "/console")
    assert (status, headers["location"]) == (307, "/console/")


def test_what_is_not_below_console_is_for_others(dist: Path) -> None:
    assert [status for status, _, _ in get(dist, "/consoles", "/api/v1/tasks")] == [418, 418]
