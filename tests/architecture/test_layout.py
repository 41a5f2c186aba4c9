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
    "functions/calls/__init__.py": "",
    "pyproject.toml": '[tool.mypy]\npackages = ["calls"]\n',
}
WORKLOAD = 'texts = Workload("summarise_texts", params=Texts)\n'
WORKLOADS = {
    "functions/workloads/__init__.py": "",
    "functions/workloads/kinds.py": "KINDS = ()\n",
    "functions/workloads/summarise_texts.py": WORKLOAD,
    "events/workloads/summarise_texts.json": '{"kind": "summarise_texts", "params": {}}',
    "tests/integration/workloads/test_summarise_texts.py": "",
    "pyproject.toml": '[tool.mypy]\npackages = ["calls", "workloads"]\n',
}
LONG_FUNCTION = "def f():\n" + "    g()\n" * 45

RULES = [
    layout.names,
    layout.only_functions,
    layout.logical_ids,
    layout.events,
    layout.workloads,
    layout.tests,
    layout.typed,
    layout.sizes,
    layout.english,
]

BAD = [
    (layout.names, {"functions/calls/pages.py": HANDLER}, "pages.py has a handler"),
    (layout.names, {"functions/calls/query_jobs.py": "X = 1\n"}, "query_jobs.py is named by a verb"),
    (layout.only_functions, {"functions/calls/query_page.py": f"{HANDLER}try:\n    f()\nexcept E:\n    g()\n"}, ":3"),
    (
        layout.logical_ids,
        {"functions/calls/sync_jobs.py": HANDLER},
        "calls.sync_jobs.handler is not in the template: run `make template`",
    ),
    (
        layout.logical_ids,
        {"template.yaml": TEMPLATE.replace("QueryPage", "PageQuery")},
        "PageQuery is in the template, but",
    ),
    (layout.logical_ids, {"template.yaml": TEMPLATE.replace("page.handler", "page.main")}, "page.main"),
    (layout.events, {"functions/calls/sync_jobs.py": HANDLER}, "events/calls/sync_jobs.json is missing"),
    (layout.events, {"events/calls/sync_jobs.json": "{}"}, "sync_jobs.json belongs to no function"),
    (layout.events, {"events/calls/query_page.json": "{"}, "is not JSON"),
    (layout.tests, {"functions/calls/sync_jobs.py": HANDLER}, "sync_jobs.py is named in no test"),
    (layout.typed, {"functions/roles/__init__.py": ""}, "add roles to the packages"),
    (layout.typed, {"client/longhaul_client/__init__.py": ""}, "add longhaul_client to the packages"),
    (layout.english, {"functions/tasks/kinds.py": 'TITLE = f"批量{x}"\n'}, "kinds.py:1 says '批量'"),
    (layout.english, {"functions/tasks/wire.py": 'x = Field(examples=["例"], title="题")\n'}, "wire.py:1 says '题'"),
    (layout.sizes, {"local/gateway.py": "x = 1\n" * 301}, "gateway.py has 301 lines"),
    (layout.sizes, {"functions/calls/jobs.py": LONG_FUNCTION}, "jobs.py:1 f has 46 lines"),
]

BAD_WORKLOADS = [
    ({"functions/workloads/summarise_texts.py": WORKLOAD + HANDLER}, "summarise_texts.py has a handler"),
    ({"functions/workloads/helpers.py": "X = 1\n"}, "helpers.py declares no Workload"),
    ({"functions/workloads/write_posts.py": WORKLOAD}, "events/workloads/write_posts.json is missing"),
    ({"functions/workloads/write_posts.py": WORKLOAD}, "write_posts.py has no test"),
    ({"events/workloads/summarise_texts.json": '{"kind": "other", "params": {}}'}, "is no {kind, params} of"),
    ({"events/workloads/summarise_texts.json": '{"kind": "summarise_texts"}'}, "is no {kind, params} of"),
    ({"events/workloads/summarise_texts.json": "{"}, "is no {kind, params} of"),
    ({"events/workloads/write_posts.json": "{}"}, "write_posts.json belongs to no workload"),
]


@pytest.mark.parametrize(("rule", "change", "finding"), BAD)
def test_a_bad_example_is_caught(rule: Rule, change: dict[str, str], finding: str, example: Example) -> None:
    found = rule(example(GOOD | change))
    assert len(found) >= 1
    assert finding in "\n".join(found)


@pytest.mark.parametrize(("change", "finding"), BAD_WORKLOADS)
def test_a_bad_workload_is_caught(change: dict[str, str], finding: str, example: Example) -> None:
    found = layout.workloads(example(GOOD | WORKLOADS | change))
    assert finding in "\n".join(found)


@pytest.mark.parametrize("rule", RULES)
def test_a_workload_named_by_a_verb_is_no_function(rule: Rule, example: Example) -> None:
    assert rule(example(GOOD | WORKLOADS)) == []
