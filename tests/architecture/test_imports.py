from collections.abc import Callable

import pytest

from tests.architecture import imports
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]
Rule = Callable[[Repository], list[str]]

GOOD = {
    "functions/calls/query_page.py": "from calls import pages\n\ndef handler(event, context): ...\n",
    "functions/calls/pages.py": "from calls import store\n",
    "functions/calls/store.py": "from calls.model import Job\nfrom longhaul.database import queries\n",
    "functions/calls/model.py": "class Job: ...\n",
    "functions/roles/model.py": "from longhaul.errors import NotFound\n",
    "layers/longhaul/python/longhaul/errors.py": "class NotFound(Exception): ...\n",
    "layers/longhaul/python/longhaul/database/queries.py": "import aiosql\n",
}
TASKS = "layers/longhaul/python/longhaul/tasks/"
CONSTANT = "layers/longhaul/python/longhaul/constant.py"

RULES = [imports.domains, imports.functions, imports.stores, imports.http, imports.doors, imports.cycles]

BAD = [
    (imports.domains, {"functions/roles/model.py": "from calls.model import Job\n"}, "model.py:1 imports calls"),
    (imports.domains, {"functions/roles/model.py": "def f():\n    import calls.model\n"}, "model.py:2 imports calls"),
    (imports.domains, {CONSTANT: "import calls\n"}, "constant.py:1 imports calls"),
    (imports.domains, {CONSTANT: "from local import database\n"}, "constant.py:1 imports local"),
    (imports.domains, {"functions/calls/model.py": "import tests.unit\n"}, "model.py:1 imports tests"),
    (imports.functions, {"functions/calls/jobs.py": "from calls import query_page\n"}, "the function calls.query_page"),
    (imports.functions, {"functions/calls/jobs.py": "from .query_page import handler\n"}, "function calls.query_page"),
    (
        imports.stores,
        {"functions/calls/store.py": "from longhaul.database import queries\nimport calls.pages\n"},
        "calls.pages",
    ),
    (
        imports.http,
        {"functions/calls/pages.py": "from longhaul.http import Page\n"},
        "pages.py:1 imports longhaul.http",
    ),
    (imports.http, {"functions/calls/store.py": "from calls.wire import Job\n"}, "store.py:1 imports calls.wire"),
    (imports.http, {CONSTANT: "import longhaul.http.pages\n"}, "constant.py:1 imports longhaul.http"),
    (imports.doors, {TASKS + "submission.py": "live.overwrite([])\n"}, "submission.py:1 calls live.overwrite"),
    (imports.doors, {TASKS + "lanes.py": "workflows.stop(arn, attempt, '')\n"}, "leave it to lifecycle.after_change"),
    (imports.cycles, {"functions/calls/model.py": "from calls import pages\n"}, "calls.store is on"),
]


@pytest.mark.parametrize(("rule", "change", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, change: dict[str, str], finding: str, example: Example) -> None:
    assert finding in "\n".join(rule(example(GOOD | change)))
