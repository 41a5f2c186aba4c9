"""The cache's scope of a campaign: its pages are forgotten together when something on them changed."""


def scope_of(task_id: str) -> str:
    return f"calls:{task_id}"


def mark_of(task_id: str, block: int) -> str:
    """The mark that tells when a block of jobs was asked for and answered."""
    return f"sync:{task_id}:{block}"
