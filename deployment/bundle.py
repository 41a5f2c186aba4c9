"""All declarations together: which domain a resource belongs to, and what stands for it in another one."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deployment import code
from deployment.code import Machine, camel
from deployment.declaration import FILE, DeclarationError, Domain, Function, Part
from deployment.text import load

BASE = Path(__file__).with_name("base.yaml")
NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True)
class Bundle:
    """`base` is base.yaml; `domains` are by the names of their folders below `functions`, the core's first."""

    functions: Path
    base: Part
    domains: dict[str, Domain]

    @classmethod
    def read(cls, functions: Path) -> "Bundle":
        """Raises DeclarationError."""
        domains = {path.parent.name: Domain.read(path) for path in sorted(functions.glob(f"*/{FILE}"))}
        core_first = dict(sorted(domains.items(), key=lambda item: item[1].workload))
        bundle = cls(functions, load(BASE.read_text(encoding="utf-8")), core_first)
        bundle._check()
        return bundle

    def _check(self) -> None:
        """Every function of the code is declared, every declared one is there, and a workload has kinds."""
        there = {path for path in self.functions.glob("*/*.py") if code.is_function(path)}
        declared = {self.module(domain, name) for domain, name, _ in self.all_functions}
        for path in sorted(there - declared):
            raise DeclarationError(f"{path} has a handler: add {path.stem} to functions of {path.with_name(FILE)}")
        for path in sorted(declared - there):
            raise DeclarationError(f"{path.with_name(FILE)} declares {path.stem}, but {path} has no handler")
        for name in self.workloads:
            if name not in self.kind_modules:
                raise DeclarationError(f"{name} is a workload: declare its KINDS in {self.module(name, 'kinds')}")

    @property
    def all_functions(self) -> list[tuple[str, str, Function]]:
        """Each function: domain, module and declaration."""
        return [
            (name, module, function)
            for name, domain in self.domains.items()
            for module, function in domain.functions.items()
        ]

    def condition(self, domain: str) -> str:
        """The condition under which a domain is deployed; empty for the core, which always is."""
        return f"With{camel(domain)}" if domain and self.domains[domain].workload else ""

    def given(self, domain: str, within: str, value: Any, otherwise: Any = NO_VALUE) -> Any:
        """What stands in the template `within` one domain for a value that another gives, if that is deployed."""
        condition = "" if domain == within else self.condition(domain)
        return {"Fn::If": [condition, value, otherwise]} if condition else value

    @property
    def workloads(self) -> list[str]:
        return [name for name, domain in self.domains.items() if domain.workload]

    def has_own(self, name: str) -> bool:
        """Whether the domain has resources or outputs of its own; code-first workloads have none."""
        domain = self.domains[name]
        machines = any(machine.path.parent.name == name for machine in self.machines.values())
        return bool(domain.functions or domain.resources or domain.outputs or machines)

    def module(self, domain: str, name: str) -> Path:
        return self.functions / domain / f"{name}.py"

    @cached_property
    def machines(self) -> dict[str, Machine]:
        """The state machines by logical id."""
        files = [path for name in self.domains for path in sorted((self.functions / name).glob("*.asl.yaml"))]
        return {camel(path.name.removesuffix(".asl.yaml")): code.machine(path) for path in files}

    @cached_property
    def kind_modules(self) -> dict[str, str]:
        """The module that declares the kinds of a domain, by the domain; a workload always has one."""
        return {name: f"{name}.kinds" for name in self.domains if self.module(name, "kinds").exists()}

    @cached_property
    def queues(self) -> dict[str, str]:
        """The queues that functions take messages from, and the domain of each."""
        return {f"{f.queue.name}Queue": domain for domain, _, f in self.all_functions if f.queue}

    @cached_property
    def workflow_queues(self) -> list[str]:
        """The queues that run tasks of some kind."""
        named = set[str]().union(*map(code.workflows, self.kind_modules.values()))
        return [queue for queue in self.queues if queue in named]

    @cached_property
    def declared(self) -> dict[str, tuple[str, Part]]:
        """Parameters and declared resources, each with the domain without which it is not there (empty: always)."""
        found = {name: ("", part) for kind in ("Parameters", "Resources") for name, part in self.base[kind].items()}
        for domain, declaration in self.domains.items():
            found |= {name: ("", part) for name, part in declaration.parameters.items()}
            found |= {name: (domain, part) for name, part in declaration.resources.items()}
        return found

    @cached_property
    def step_functions(self) -> dict[str, str]:
        """The functions, by logical id, that run steps of code-first workloads, and the domain of each."""
        return {camel(module): domain for domain, module, function in self.all_functions if function.runs_steps}

    def owner(self, logical_id: str) -> str:
        """The domain without which a parameter, a queue or a declared resource is not there; empty: always there."""
        return self.queues[logical_id] if logical_id in self.queues else self.declared[logical_id][0]

    def named(self, variable: str) -> str:
        """The parameter, resource or queue that a variable names: LIVE_TABLE is LiveTable, SYNC_QUEUE_URL SyncQueue.

        Raises DeclarationError when there is none.
        """
        name = camel(variable)
        for logical_id in (name, name.removesuffix("Url")):
            if logical_id in self.declared or logical_id in self.queues:
                return logical_id
        raise DeclarationError(f"the variable {variable} names nothing: declare a parameter or a resource {name}")

    def type_of(self, logical_id: str) -> str:
        """Its type in the template."""
        return "AWS::SQS::Queue" if logical_id in self.queues else str(self.declared[logical_id][1]["Type"])
