"""Code-first workloads: a task whose work is stages of independent items, from one Python file and no YAML.

    class Summarise(BaseModel):
        texts: list[str] = Field(min_length=1, max_length=10_000)

    class Summary(BaseModel):
        summary: str

    summaries = Workload("text_summaries", params=Summarise, title="Summaries", in_flight=5, tolerate=0.1)

    @summaries.stage
    def texts(task: TaskContext[Summarise]) -> Iterable[Item]:
        for number, text in enumerate(task.params.texts):
            yield Item(f"text/{number:05d}", input={"text": text})

    @texts.step(timeout=60)
    def summarise_text(step: StepContext[Summarise]) -> Summary:
        return step.llm.ask(f"Summarise in one sentence: {step.input['text']}", Summary)

A workload is a kind of task like any other: it has a queue, priorities, pause, resume, cancel, retry of what failed and
progress. One state machine and three functions run all workloads (`plan_stage`, `run_step`, `finish_task`). A step runs
at least once and is finished once: what it returns, and what `step.save` writes, are one transaction. `docs/
your-first-workload.md` shows it all.
"""

from longhaul.workloads.contexts import Callback, Later, Output, StepContext, TaskContext
from longhaul.workloads.declaration import Workload
from longhaul.workloads.stages import Approval, Item, Stage

__all__ = ["Approval", "Callback", "Item", "Later", "Output", "Stage", "StepContext", "TaskContext", "Workload"]
