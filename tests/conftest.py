"""For all tests: the names that Powertools reads when the kernel is imported, and one running stack for those that ask.

The stack runs a copy of the functions, so that nobody's editing disturbs it and a test may edit them itself.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.options import ROOT
from local.running import RunningStack, local_stack
from tests.observation import Observer
from tests.providing import Provider

os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "longhaul")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Longhaul")
os.environ.pop("DATABASE_URL", None)  # a stack would use that database, and the tests would empty it

LLM_TIMEOUT_SECONDS = 2
CALL_SYNC_SECONDS = 1
CALL_LEASE_SECONDS = 5
MINUTE_SECONDS = 3.0

# Tasks first: what still runs finds its task gone, and ends. What belongs to a task goes with it.
EMPTIED = (
    "tasks",
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
)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template with the code it deploys beside it."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("functions", "layers/longhaul"):
        shutil.copytree(ROOT / name, folder / name)
    return Path(shutil.copy2(ROOT / "template.yaml", folder))


@pytest.fixture(scope="session")
def stack(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all end-to-end and fault tests: its schedules' minutes are short, and it gives a model up soon."""
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


@pytest.fixture(scope="session")
def provider(stack: RunningStack) -> Provider:
    return Provider(stack.provider_url)


@pytest.fixture(scope="session")
def caller(stack: RunningStack) -> Iterator[Observer]:
    """Calls the stack and looks at it, as the tests before have left it."""
    observer = Observer(stack)
    yield observer
    observer.close()


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
