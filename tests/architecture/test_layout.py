from collections.abc import Callable

import pytest

from tests.architecture import layout
from tests.architecture.repository import Repository

Example = Callable[[dict[str, str]], Repository]
Rule = Callable[[Repository], list[str]]

HANDLER = "def handler(event, context):\n    return {}\n"
TEMPLATE = """
Resources:
  QueryPage: {Type: AWS::Serverless::Function, Properties: {Handler: calls.query_page.handler}}
"""
GOOD = {
    "template.yaml": TEMPLATE,
    "functions/calls/query_page.py": HANDLER,
    "functions/calls/jobs.py": "JOBS = ()\n",
    "events/calls/query_page.json": "{}",
    "tests/unit/test_query_page.py": "",
}
LONG_FUNCTION = "def f():\n" + "    g()\n" * 45

RULES = [layout.names, layout.only_functions, layout.logical_ids, layout.events, layout.tests, layout.sizes]

BAD = [
    (layout.names, {"functions/calls/pages.py": HANDLER}, "pages.py has a handler"),
    (layout.names, {"functions/calls/query_jobs.py": "X = 1\n"}, "query_jobs.py is named by a verb"),
    (layout.only_functions, {"functions/calls/query_page.py": f"{HANDLER}try:\n    f()\nexcept E:\n    g()\n"}, ":3"),
    (layout.logical_ids, {"functions/calls/sync_jobs.py": HANDLER}, "SyncJobs: the template says None"),
    (layout.logical_ids, {"template.yaml": TEMPLATE.replace("QueryPage", "PageQuery")}, "PageQuery: the template says"),
    (layout.logical_ids, {"template.yaml": TEMPLATE.replace("page.handler", "page.main")}, "page.main"),
    (layout.events, {"functions/calls/sync_jobs.py": HANDLER}, "events/calls/sync_jobs.json is missing"),
    (layout.events, {"events/calls/sync_jobs.json": "{}"}, "sync_jobs.json belongs to no function"),
    (layout.events, {"events/calls/query_page.json": "{"}, "is not JSON"),
    (layout.tests, {"functions/calls/sync_jobs.py": HANDLER}, "sync_jobs.py is named in no test"),
    (layout.sizes, {"local/gateway.py": "x = 1\n" * 200}, "gateway.py has 200 lines"),
    (layout.sizes, {"functions/calls/jobs.py": LONG_FUNCTION}, "jobs.py:1 f has 46 lines"),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_repository_keeps_the_rule(rule: Rule, repository: Repository) -> None:
    assert rule(repository) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_good_example_passes(rule: Rule, example: Example) -> None:
    assert rule(example(GOOD)) == []


@pytest.mark.parametrize(("rule", "change", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, change: dict[str, str], finding: str, example: Example) -> None:
    found = rule(example(GOOD | change))
    assert len(found) >= 1
    assert finding in "\n".join(found)
