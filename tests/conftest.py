"""For all tests: the names that Powertools reads when the kernel is imported, and one running stack for those that ask.

The stack runs a copy of the functions, so that nobody's editing disturbs it and a test may edit them itself.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "longhaul")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Longhaul")
os.environ.pop("DATABASE_URL", None)  # a stack would use that database, and the tests would empty it

# Some of these import the kernel, which reads the names above.
from local.iam.guard import REFUSED, USED
from local.options import ROOT
from local.running import RunningStack, local_stack
from tests.observation import Observer
from tests.providing import Provider
from tests.rights import keep

ON_THE_STACK = ("tests/faults/", "tests/e2e/")
LONGEST = (*ON_THE_STACK, "sample", "tests/integration/test_migrations.py", "tests/integration/test_database.py")
ON_THE_SAMPLE = tuple(
    f"tests/unit/local/test_{name}.py"
    for name in ("enforcing", "event_sources", "gateway", "publishing", "serving", "stack_life")
)
hypothesis.settings.register_profile("longhaul", deadline=None)  # a busy machine is no finding
hypothesis.settings.load_profile("longhaul")
LLM_TIMEOUT_SECONDS = 2
CALL_SYNC_SECONDS = 1
CALL_LEASE_SECONDS = 5
MINUTE_SECONDS = 3.0

# Tasks first: what still runs finds its task gone, and ends. What belongs to a task goes with it.
EMPTIED = (
    "tasks",
    "webhooks",
    "webhook_tenants",
    "notice_listeners",
    "task_counts",
    "task_rollups",
    "task_totals",
    "latency_reports",
    "latency_rollups",
    "leads_task_list",
    "dcc_leads_follow",
    "hospitals",
    "districts",
    "cities",
    "roles",
    "role_base_info",
    "role_talk_styles",
    "role_knowledge",
    "role_products",
    "mail_recipients",
    "mail_quotas",
)


class Scheduling(LoadScopeScheduling):
    """What shares a stack runs in one process, so that there is one of it; the rest file by file, the longest first.

    End-to-end and fault tests have a stack each: both wait more than they compute, so they run beside each other.
    (xdist's own groups say so with marks, but pytest 9 does not show them to it.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        for folder in ON_THE_STACK:
            if path.startswith(folder):
                return folder
        return "sample" if path.startswith(ON_THE_SAMPLE) else path

    def _assign_work_unit(self, node: Any) -> None:
        for scope in reversed(LONGEST):
            if scope in self.workqueue:
                self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.stack)


def pytest_collection_finish() -> None:
    """The garbage collector need not look again and again at half a million objects of the tests themselves."""
    gc.freeze()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template with the code it deploys beside it, and a workload of the tests' own."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("functions", "layers/longhaul"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy2(ROOT / "tests" / "waiting.py", folder / "functions" / "workloads")
    return Path(shutil.copy2(ROOT / "template.yaml", folder))


@pytest.fixture(scope="session")
def stack(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all tests of this process: its schedules' minutes are short, and it gives a model up soon."""
    with local_stack(
        tmp_path_factory.mktemp("stack"),
        template=template,
        minute=MINUTE_SECONDS,
        parameters={
            "LlmTimeoutSeconds": str(LLM_TIMEOUT_SECONDS),
            "CallSyncSeconds": str(CALL_SYNC_SECONDS),
            "CallLeaseSeconds": str(CALL_LEASE_SECONDS),
        },
    ) as running:
        yield running
        keep((running.options.iam / USED).read_text(encoding="utf-8").splitlines())
        # A function that may do without DynamoDB's cache would pass without its right to it.
        refused = running.options.iam / REFUSED
        assert not refused.exists(), refused.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def provider(stack: RunningStack) -> Provider:
    return Provider(stack.provider_url)


@pytest.fixture(scope="session")
def caller(stack: RunningStack) -> Observer:
    """Calls the stack and looks at it, as the tests before have left it."""
    return Observer(stack)


@pytest.fixture
def observer(caller: Observer, provider: Provider) -> Iterator[Observer]:
    """The same, of a stack at rest: no task, no lead, an empty directory, open lanes, a provider without faults."""
    for table in EMPTIED:
        caller.sql(f"DELETE FROM {table}")
    caller.sql("UPDATE lanes SET paused = 0, max_concurrent = 5, max_queued = 1000")
    provider.reset()
    caller.settle()
    provider.reset()
    yield caller
    provider.reset()
