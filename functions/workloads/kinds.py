"""The kinds that are code-first workloads: every `Workload` of every module of this package."""

from importlib import import_module
from pkgutil import iter_modules

import workloads
from longhaul.workloads import Workload

_modules = sorted(module.name for module in iter_modules(workloads.__path__) if module.name != "kinds")

KINDS = tuple(
    value.kind
    for name in _modules
    for value in vars(import_module(f"workloads.{name}")).values()
    if isinstance(value, Workload)
)
