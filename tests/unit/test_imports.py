"""Packages that are imported when they are used behave as if they had been imported at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.options import ROOT
from longhaul import http

PATHS = [str(ROOT / "functions"), str(ROOT / "layers" / "longhaul" / "python")]


def runs(program: str, *paths: Path) -> None:
    """In a process of its own, with these folders beside ours."""
    program = f"import sys; sys.path[:0] = {[*PATHS, *map(str, paths)]}; import longhaul.imports\n{program}"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    "program",
    [
        "import importlib.metadata; assert importlib.metadata.version('pydantic')",
        "from importlib.metadata import version; assert version('pydantic')",
        "import importlib.metadata as metadata; assert metadata.version('pydantic')",
        "import aiosql; assert aiosql.from_str('-- name: one()$\\nSELECT 1', 'pymysql').one",
        "import pydantic; assert pydantic.version.version_info()",
        "import aws_lambda_powertools.event_handler as handlers; assert handlers.AppSyncResolver()",
        "from aws_lambda_powertools.event_handler import Response; assert Response(status_code=200)",
        "from aws_lambda_powertools.utilities.data_classes import SQSEvent; assert SQSEvent({'Records': []})",
    ],
)
def test_a_deferred_package_is_there_when_it_is_used(program: str) -> None:
    runs(program)


@pytest.mark.parametrize("module", ["aiosql", "importlib.metadata", "aws_lambda_powertools.event_handler"])
def test_an_import_alone_does_not_use_it(module: str) -> None:
    runs(f"import {module} as it; assert '__getattr__' in vars(it)")


def test_threads_that_use_it_first_at_once_wait_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.2)\nvalue = 7\n", encoding="utf-8")
    program = """
from concurrent.futures import ThreadPoolExecutor
longhaul.imports.defer_module("slow")
import slow
with ThreadPoolExecutor(4) as threads:
    assert list(threads.map(lambda _: slow.value, range(4))) == [7] * 4
assert not hasattr(slow, "missing")
"""
    runs(program, tmp_path)


def test_an_import_that_fails_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("import os\nvalue = os.environ['VALUE']\n", encoding="utf-8")
    program = """
import os
longhaul.imports.defer_module("late")
import late
try:
    late.value
except KeyError:
    os.environ["VALUE"] = "7"
assert late.value == "7"
"""
    runs(program, tmp_path)


def test_garbage_is_looked_for_when_a_function_is_imported() -> None:
    """Not before: a look at all that imports have made takes a tenth of their time. And not at what they have made."""
    program = """
import gc
assert gc.get_threshold()[0] == longhaul.imports.IMPORTING
from longhaul.observability import observed
observed(lambda event, context: None)
assert gc.get_threshold()[0] == longhaul.imports.RUNNING
assert gc.get_freeze_count() > 10_000
"""
    runs(program)


def test_names_of_our_own_package_are_found_where_they_are() -> None:
    program = """
from longhaul.http import make_app
assert 'longhaul.http.pages' not in sys.modules
from longhaul.http import Page, Response, pages
assert pages.Page is Page
"""
    runs(program)


def test_no_name_of_our_own_package_is_a_modules() -> None:
    """Importing the module would put it in the name's place."""
    modules = {module.stem for module in (ROOT / "layers/longhaul/python/longhaul/http").glob("*.py")}
    assert not modules & set(http.__all__)
