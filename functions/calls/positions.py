"""Where a page begins: at its number, or where the cursor of the page before it says."""

from dataclasses import dataclass
from typing import Any

from calls.model import block_of
from longhaul.errors import FieldError
from longhaul.http.cursors import InvalidCursor, seal, unseal

POINTER = "/cursor"


@dataclass(frozen=True)
class Position:
    """The page of `size` ordinals that begins at `first`, from 1."""

    task_id: str
    first: int
    size: int

    @property
    def last(self) -> int:
        return self.first + self.size - 1

    @property
    def page(self) -> int:
        return (self.first - 1) // self.size + 1

    @property
    def blocks(self) -> range:
        """The blocks its jobs may lie in."""
        return range(block_of(self.first), block_of(self.last) + 1)

    def next_cursor(self, total: int) -> str | None:
        """None at the end."""
        if self.last >= total:
            return None
        return seal({"task": self.task_id, "size": self.size, "first": self.last + 1})


def at_page(task_id: str, page: int, size: int) -> Position:
    return Position(task_id, (page - 1) * size + 1, size)


def at_cursor(task_id: str, cursor: str, size: int | None) -> Position:
    """Where the cursor points. InvalidCursor when it was made for another task, or another size than is asked for."""
    sealed: dict[str, Any] = unseal(cursor, pointer=POINTER)
    if sealed.get("task") != task_id:
        raise InvalidCursor(errors=[FieldError(pointer=POINTER, detail="a cursor of another task")])
    if size is not None and sealed["size"] != size:
        raise InvalidCursor(errors=[FieldError(pointer=POINTER, detail=f"its pages have {sealed['size']} items")])
    return Position(task_id, sealed["first"], sealed["size"])
