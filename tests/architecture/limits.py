"""What Lambda takes of a function: 4 KB of variables, 250 MB of code and layers.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import re
from pathlib import Path
from typing import Any

from local.runtime.limits import ENVIRONMENT_BYTES, environment_bytes
from tests.architecture.repository import Repository

PACKAGE_BYTES = 262_144_000
JSON = 'xxxxxxxxx"'  # of a JSON text a tenth is quotation marks, which count as two bytes
LONG = 100  # characters of an ARN, of a queue's URL, or of a parameter without a default


def environments(repository: Repository) -> list[str]:
    """Functions whose variables may pass 4 KB: with parameters as long as they may be, and long physical names."""
    everywhere = repository.template.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    findings = []
    for name, properties in repository.function_resources().items():
        given = {**everywhere, **properties.get("Environment", {}).get("Variables", {})}
        values = {variable: _longest(repository, value) for variable, value in given.items()}
        if (size := environment_bytes(values)) > ENVIRONMENT_BYTES:
            largest = sorted(values, key=lambda variable: len(values[variable]), reverse=True)[:3]
            findings.append(f"{name}: its variables may have {size} bytes, Lambda takes {ENVIRONMENT_BYTES}: {largest}")
    return findings


def packages(repository: Repository, built: Path) -> list[str]:
    """Functions that `sam build` made too large: unzipped, with their layers."""
    findings = []
    for name in repository.function_resources():
        parts = [name, *repository.layers(name)]
        sizes = {part: _bytes(built / part) for part in parts}
        if (size := sum(sizes.values())) > PACKAGE_BYTES:
            shown = ", ".join(f"{part} {bytes_:,}" for part, bytes_ in sizes.items())
            findings.append(
                f"{name}: Function code combined with layers exceeds the maximum allowed size of {PACKAGE_BYTES} "
                f"bytes. The actual size is {size} bytes: {shown}"
            )
    return findings


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _longest(repository: Repository, value: Any) -> str:
    """Return a text as long as the value may be in the cloud."""
    if not isinstance(value, dict):
        return str(value)
    if "Fn::Sub" in value:
        text, given = value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})

        def replaced(match: re.Match[str]) -> str:
            return _longest(repository, given.get(match[1], {"Ref": match[1]}))

        return re.sub(r"\$\{([\w.:]+)\}", replaced, text)
    if "Fn::Join" in value:
        separator, items = value["Fn::Join"]
        texts = [_longest(repository, item) for item in (items if isinstance(items, list) else [items])]
        return separator.join(text for item in texts for text in (item.split(",") if len(texts) == 1 else [item]))
    parameter = repository.template.get("Parameters", {}).get(value.get("Ref"), {})
    default = str(parameter.get("Default", ""))
    length = int(parameter.get("MaxLength", len(default) or LONG))
    return default + (JSON * length)[len(default) : length]
