"""Longhaul for programs: submit tasks, follow and steer them.

manager = TaskManager()  # LONGHAUL_URL, LONGHAUL_TOKEN
task_id = await manager.create_province_refresh_task("广东省")
async for notice in manager.follow(task_id=task_id): ...
task = await manager.wait_for_completion(task_id)
"""

from longhaul_client.alerts import TaskAlertSystem
from longhaul_client.callbacks import ProgressCallback
from longhaul_client.errors import (
    TaskCancellationError,
    TaskCreationError,
    TaskError,
    TaskExecutionError,
    TaskNotFoundError,
    TaskTimeoutError,
    ValidationError,
)
from longhaul_client.manager import TaskManager
from longhaul_client.monitoring import TaskMonitor, TaskPerformanceAnalyzer

__all__ = [
    "ProgressCallback",
    "TaskAlertSystem",
    "TaskCancellationError",
    "TaskCreationError",
    "TaskError",
    "TaskExecutionError",
    "TaskManager",
    "TaskMonitor",
    "TaskNotFoundError",
    "TaskPerformanceAnalyzer",
    "TaskTimeoutError",
    "ValidationError",
]
