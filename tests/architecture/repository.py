"""What the rules look at: the Python modules, the template, the state machines and the SQL of a checkout.

A rule is a function that takes a Repository and returns its findings, one line each, empty when all is well. So it
runs on this repository, and on a small bad example written into a temporary folder.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
KERNEL = Path("layers/longhaul/python")


@dataclass(frozen=True)
class Module:
    """A Python module that ships. `name` is the one it is imported by; `domain` is empty for the kernel."""

    path: Path
    name: str
    domain: str
    tree: ast.Module

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def is_function(self) -> bool:
        """Whether it has a `handler`, so that Lambda can run it."""
        return any("handler" in _bound(node) for node in self.tree.body)


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


@dataclass(frozen=True)
class Repository:
    root: Path

    @cached_property
    def modules(self) -> list[Module]:
        """The modules of the domains and the kernel."""
        return [*self._modules(Path("functions")), *self._modules(KERNEL)]

    def _modules(self, base: Path) -> Iterator[Module]:
        for path in self.files(base, "*.py"):
            parts = path.relative_to(base).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            domain = "" if base == KERNEL else parts[0]
            yield Module(path, name, domain, ast.parse((self.root / path).read_text(encoding="utf-8")))

    @cached_property
    def functions(self) -> list[Module]:
        """The modules that are Lambda functions."""
        return [module for module in self.modules if module.domain and module.is_function]

    def files(self, base: Path, pattern: str) -> list[Path]:
        """The files below `base`, relative to the root, in order."""
        return sorted(path.relative_to(self.root) for path in (self.root / base).rglob(pattern))

    @cached_property
    def template(self) -> dict[str, Any]:
        """template.yaml with every workload deployed, its tags (!Ref, !GetAtt) as the objects they stand for."""
        return dict(_whole(yaml_parse((self.root / "template.yaml").read_text(encoding="utf-8"))))

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of each resource of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    def function_resources(self) -> dict[str, dict[str, Any]]:
        return self.resources("AWS::Serverless::Function")

    def layers(self, logical_id: str) -> list[str]:
        """The layers of a function: those of Globals, and its own, which SAM adds."""
        everywhere = self.template.get("Globals", {}).get("Function", {}).get("Layers", [])
        return [referred(layer) for layer in everywhere + self.function_resources()[logical_id].get("Layers", [])]

    def function_setting(self, logical_id: str, name: str, default: Any = None) -> Any:
        """A function's property, or what Globals say of it."""
        everywhere = self.template.get("Globals", {}).get("Function", {})
        return self.function_resources()[logical_id].get(name, everywhere.get(name, default))


def _whole(node: Any) -> Any:
    """The node with what stands in it when every workload is deployed."""
    if isinstance(node, list):
        return [_whole(item) for item in node]
    if not isinstance(node, dict):
        return node
    condition, met, _ = node.get("Fn::If", ("", None, None))
    return _whole(met) if condition.startswith("With") else {key: _whole(value) for key, value in node.items()}


def referred(value: Any) -> str:
    """The logical id in a !Ref or !GetAtt; empty for anything else."""
    if isinstance(value, dict) and len(value) == 1:
        if "Ref" in value:
            return str(value["Ref"])
        target = value.get("Fn::GetAtt", "")
        return str(target[0] if isinstance(target, list) else target.split(".")[0])
    return ""
