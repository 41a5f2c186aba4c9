"""`make workload NAME=summarise_texts`: writes a workload that works, its test and its sample event.

Nothing that exists is overwritten.
"""

import json
import keyword
import re
from collections.abc import Sequence
from pathlib import Path

from local.options import ROOT, StackError

MAX_NAME = 48  # characters; a kind has at most 64
SAMPLE = ["Longhaul runs tasks that take minutes.", "A step is done once."]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

_WORKLOAD = '''"""{title}: counts the words of texts. Change what a caller sends and what a step does."""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from longhaul.workloads import Item, StepContext, TaskContext, Workload


class Params(BaseModel):
    """What a caller submits."""

    texts: list[str] = Field(min_length=1, max_length=10_000)


class Counted(BaseModel):
    """What a step returns."""

    words: int


workload = Workload("{name}", params=Params, title="{title}", in_flight=5, tolerate=0.1)


@workload.stage
def texts(task: TaskContext[Params]) -> Iterable[Item]:
    """The work, as items: each is a step that is tried, finished and counted by itself."""
    for number, text in enumerate(task.params.texts):
        yield Item(f"text/{{number:05d}}", label=f"text {{number}}", input={{"text": text}})


@texts.step(timeout=60)
def count_words(step: StepContext[Params]) -> Counted:
    """The work of one item. It may run twice, when its worker dies; it is finished once."""
    return Counted(words=len(step.input["text"].split()))


@workload.result
def result(task: TaskContext[Params]) -> dict[str, int]:
    """What the task as a whole came to. A failed item has no output."""
    return {{"words": sum(done.output.get("words", 0) for done in task.outputs(texts))}}
'''

_TEST = '''"""The workload {name}, run in this process, with faults."""

from longhaul import testing
from longhaul.testing import Fail, Kill
from workloads.{name} import workload

TEXTS = {{"texts": ["one", "one two"]}}


def test_each_text_is_counted() -> None:
    run = testing.run(workload, TEXTS)
    assert run.status == "SUCCEEDED"
    assert run.outputs == {{"text/00000": {{"words": 1}}, "text/00001": {{"words": 2}}}}
    assert run.result == {{"words": 3}}


def test_a_step_that_fails_is_tried_again() -> None:
    run = testing.run(workload, TEXTS, faults=[Fail("text/00001", times=2)])
    assert (run.status, run.steps_run) == ("SUCCEEDED", 4)


def test_a_worker_that_dies_loses_nothing() -> None:
    run = testing.run(workload, TEXTS, faults=[Kill("text/00000", "before")])
    assert (run.status, run.result) == ("SUCCEEDED", {{"words": 3}})
'''

_NEXT = """Wrote {module}
      {test}
      {event}

1. Run its test (it starts a database of its own, which takes some seconds):
     .venv/bin/python -m pytest {test}
2. Start the stack, in another terminal:
     make up
3. Submit a task, watch it and read what came of it:
     make client
     export PATH="$PWD/.client/bin:$PATH" LONGHAUL_TOKEN=$(cat .local/token)
     longhaul submit {name} 'texts:=["one text", "another text"]' --watch
     longhaul results TASK_ID
   Or submit the sample by HTTP:
     curl -H "Authorization: Bearer $(cat .local/token)" -H "Content-Type: application/json" \\
       -d @{event} http://127.0.0.1:3000/api/v1/tasks
4. Make it yours: docs/your-first-workload.md shows all that a workload can do. `make openapi` writes what callers may
   submit into the API's document.
"""


def next_steps(paths: Sequence[Path]) -> str:
    """Return what to do with the files of a new workload, as `write` has named them."""
    module, test, event = paths
    return _NEXT.format(module=module, test=test, event=event, name=module.stem)


def write(name: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a new workload; their paths, relative to `root`. Raises StackError."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME or keyword.iskeyword(name) or name == "kinds":
        raise StackError(
            f"{name!r} is no name of a workload: at most {MAX_NAME} lower-case letters and digits, words joined by one "
            "underscore, such as summarise_texts"
        )
    if owner := _owner(name, root):
        raise StackError(f"{owner} declares the kind {name} already: choose another name")
    title = name.replace("_", " ").capitalize()
    event = {"kind": name, "params": {"texts": SAMPLE}}
    files = {
        Path("functions/workloads", f"{name}.py"): _WORKLOAD.format(name=name, title=title),
        Path("tests/integration/workloads", f"test_{name}.py"): _TEST.format(name=name),
        Path("events/workloads", f"{name}.json"): json.dumps(event, indent=2) + "\n",
    }
    for path in files:
        if (root / path).exists():
            raise StackError(f"{path} exists already, and nothing was written: remove it, or choose another name")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return list(files)


def _owner(name: str, root: Path) -> Path | None:
    """The module that declares a kind of this name: its name stands there as a text."""
    declaring = [*root.glob("functions/*/kinds.py"), *root.glob("functions/workloads/*.py")]
    found = (path for path in sorted(declaring) if f'"{name}"' in path.read_text(encoding="utf-8"))
    return next((path.relative_to(root) for path in found if path.stem != name), None)
