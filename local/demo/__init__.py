"""Demos: a stack of its own, a task from submission to its end, and what came of it. One module a workload."""

from local.demo.calls import Calls
from local.demo.diagnosis import Diagnosis
from local.demo.hospitals import Hospitals
from local.demo.roles import Roles
from local.demo.running import run
from local.demo.workload import Workload

__all__ = ["Calls", "Diagnosis", "Hospitals", "Roles", "Workload", "run"]
