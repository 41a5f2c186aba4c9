"""Demos: each starts a stack, runs a task from submission to its end, and shows the result. One module a workload."""

from local.demo.calls import Calls
from local.demo.diagnosis import Diagnosis
from local.demo.hospitals import Hospitals
from local.demo.roles import Roles
from local.demo.running import Workload, run
from local.demo.summaries import Summaries
from local.demo.videos import Videos

__all__ = ["Calls", "Diagnosis", "Hospitals", "Roles", "Summaries", "Videos", "Workload", "run"]
