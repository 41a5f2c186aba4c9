"""template.yaml as text: base.yaml as it stands, and behind each of its sections what the domains add to it."""

import re
from pathlib import Path

from deployment import monitoring, resources
from deployment.bundle import BASE, Bundle
from deployment.code import camel
from deployment.declaration import Part
from deployment.text import dump

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "template.yaml"
HEAD = "# Made by `make template` of deployment/base.yaml, functions/*/deployment.yaml and the code. Change those.\n"


def render(bundle: Bundle) -> str:
    """Raises DeclarationError when a declaration does not fit the code."""
    sections = re.split(r"^(?=\w)", BASE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    added = {
        "Metadata:": _groups(bundle),
        "Parameters:": dump(_parameters(bundle), 2),
        "Rules:": dump(_rules(bundle), 2),
        "Conditions:": dump(_conditions(bundle), 2),
        "Resources:": "".join(_resources(bundle, name) for name in bundle.domains) + _monitoring(bundle),
        "Outputs:": dump(_outputs(bundle), 2),
    }
    parts = [
        f"{section.rstrip('\n')}\n{more}\n" if (more := added.get(section.split("\n")[0])) else section
        for section in sections
    ]
    return HEAD + "".join(parts).rstrip("\n") + "\n"


def _monitoring(bundle: Bundle) -> str:
    blocks = ["\n" + dump({name: part}, 2) for name, part in monitoring.resources(bundle).items()]
    return f"\n  # {'=' * 100} Monitoring" + "".join(blocks)


def _groups(bundle: Bundle) -> str:
    """A group of parameters for each domain that has some, at the end of base.yaml's."""
    groups = [
        {"Label": {"default": domain.title}, "Parameters": list(domain.parameters)}
        for domain in bundle.domains.values()
        if domain.parameters
    ]
    return dump([{"Label": {"default": "Workloads"}, "Parameters": ["Workloads"]}, *groups], 6)


def _parameters(bundle: Bundle) -> Part:
    """Which workloads there are, and what the domains need. What only a workload needs may be left empty without it."""
    workloads = {
        "Type": "CommaDelimitedList",
        "Description": "Workloads to deploy, with commas; one that is left out needs no value for its parameters",
        "Default": ",".join(bundle.workloads),
        "AllowedValues": bundle.workloads,
        "ConstraintDescription": f"each one of {', '.join(bundle.workloads)}",
    }
    found = {"Workloads": workloads}
    for domain in bundle.domains.values():
        optional = {"Default": ""} if domain.workload else {}
        found |= {name: {**optional, **parameter} for name, parameter in domain.parameters.items()}
    return found


def _rules(bundle: Bundle) -> Part:
    """A workload that is deployed has a value for each of its parameters."""
    return {
        camel(name): {
            "RuleCondition": {"Fn::Contains": [{"Ref": "Workloads"}, name]},
            "Assertions": [
                {
                    "Assert": {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]},
                    "AssertDescription": f"{name} needs {parameter}, or leave {name} out of Workloads",
                }
                for parameter in needed
            ],
        }
        for name in bundle.workloads
        if (needed := [key for key, part in bundle.domains[name].parameters.items() if "Default" not in part])
    }


def _conditions(bundle: Bundle) -> Part:
    """Whether a workload is deployed. Conditions know no "contains": what is split where it stands differs."""
    chosen = {"Fn::Join": ["", [",", {"Fn::Join": [",", {"Ref": "Workloads"}]}, ","]]}
    return {
        bundle.condition(name): {
            "Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Fn::Split": [f",{name},", chosen]}]}, chosen]}]
        }
        for name in bundle.workloads
        if bundle.has_own(name)
    }


def _outputs(bundle: Bundle) -> Part:
    return {
        name: _deployed(bundle, domain_name, output)
        for domain_name, domain in bundle.domains.items()
        for name, output in domain.outputs.items()
    }


def _deployed(bundle: Bundle, domain: str, part: Part) -> Part:
    """A resource or an output, there only where its domain is deployed."""
    condition = bundle.condition(domain)
    return {"Condition": condition, **part} if condition else part


def _resources(bundle: Bundle, name: str) -> str:
    """A domain's resources, under its name: its own, its state machines, its functions."""
    domain = bundle.domains[name]
    made = [{logical_id: resource} for logical_id, resource in domain.resources.items()]
    made += [
        resources.of_machine(bundle, machine_name, machine)
        for machine_name, machine in bundle.machines.items()
        if machine.path.parent.name == name
    ]
    made += [resources.of_function(bundle, name, module, function) for module, function in domain.functions.items()]
    blocks = [
        "\n" + dump({logical_id: _deployed(bundle, name, resource)}, 2)
        for group in made
        for logical_id, resource in group.items()
    ]
    return f"\n  # {'=' * (110 - len(domain.title))} {domain.title}" + "".join(blocks)
