"""State machine definitions: from the file beside the functions to what CloudFormation takes."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_MARK = "__substitution_{}__"
_MARKED = re.compile(_MARK.format(r"(\w+?)"))


def definition_string(
    definition: Mapping[str, Any] | None, uri: str | None, substitutions: Mapping[str, Any], root: Path
) -> dict[str, Any]:
    """Return a DefinitionString with the substitutions folded in.

    Substitution is textual, so that `MaxConcurrency: ${Limit}` becomes a number, as in the cloud. Values that only
    CloudFormation knows (ARNs) are joined in by it; its Fn::Sub is no use here, moto's turns `$$.` into `$.`.
    """
    text = json.dumps(definition) if definition is not None else (root / str(uri)).read_text(encoding="utf-8")
    pending = {name: value for name, value in substitutions.items() if isinstance(value, dict)}

    def fold(match: re.Match[str]) -> str:
        name = match[1]
        return _MARK.format(name) if name in pending else str(substitutions.get(name, match[0]))

    document = json.dumps(yaml.safe_load(_PLACEHOLDER.sub(fold, text)), ensure_ascii=False)
    parts: list[Any] = []
    for index, part in enumerate(_MARKED.split(document)):  # text, name, text, name, ..., text
        parts.append(pending[part] if index % 2 else part)
    return {"Fn::Join": ["", parts]}
