"""What the state machine sends to the diagnosis's functions, and what it gets to send on: keys, never texts."""

from pydantic import BaseModel, Field

from longhaul.workflows import Attempt


class CellStep(Attempt):
    """A cell to be asked, by its key; its label names it should it fail."""

    key: str = Field(min_length=1, max_length=96)
    label: str = Field(max_length=200)


class Column(BaseModel):
    """What is to be asked of one model, and how much of it at once."""

    max_in_flight: int
    cells: list[CellStep]


class Plan(BaseModel):
    columns: list[Column]
