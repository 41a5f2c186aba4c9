"""Summaries: each text of a list in one sentence. What `make demo WORKLOAD=summaries` runs."""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from longhaul.workloads import Item, StepContext, TaskContext, Workload


class Texts(BaseModel):
    texts: list[str] = Field(min_length=1, max_length=10_000)


class Summary(BaseModel):
    summary: str = Field(description="The text in one sentence.")


summaries = Workload("text_summaries", params=Texts, title="Summaries", in_flight=5, tolerate=0.1)


@summaries.stage
def summarise(task: TaskContext[Texts]) -> Iterable[Item]:
    for number, text in enumerate(task.params.texts):
        yield Item(f"text/{number:05d}", label=f"text {number}", input={"text": text})


@summarise.step(timeout=60)
def summarise_text(step: StepContext[Texts]) -> Summary:
    return step.llm.ask(f"Summarise this text in one sentence:\n\n{step.input['text']}", Summary)
