"""CloudFormation's intrinsic functions, as far as parameters, mappings and conditions decide them.

What needs a resource's physical id (Ref, GetAtt and Sub of resources) is left to CloudFormation.
"""

import re
from collections.abc import Mapping
from typing import Any

from local.template.model import ACCOUNT, REGION, STACK_NAME, TemplateError

PSEUDO_PARAMETERS = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": STACK_NAME,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK_NAME}/local",
}
DUMMIES = {"Number": "1", "CommaDelimitedList": "local-1,local-2"}
_NO_VALUE = object()
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


def parameter_values(declared: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return a value for every parameter: chosen, else its default, else its first allowed value, else a dummy.

    Raises TemplateError for a value that is not among the allowed ones.
    """
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        kind = parameter.get("Type", "String")
        is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
        dummy = next(iter(parameter.get("AllowedValues", ())), None)
        if dummy is None:
            dummy = DUMMIES.get("CommaDelimitedList" if is_list else kind, "local")
        value = chosen.get(name, parameter.get("Default", dummy))
        values[name] = [part.strip() for part in str(value).split(",")] if is_list else value
        for one in values[name] if is_list else [value]:
            if str(one) not in map(str, parameter.get("AllowedValues", [one])):
                allowed = ", ".join(map(str, parameter["AllowedValues"]))
                raise TemplateError(f"{name}: {one!r} is none of {allowed}")
    return values


class Resolver:
    """Resolves a template's functions, given the values of its parameters."""

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._values = {**PSEUDO_PARAMETERS, **values}
        self._mappings = template.get("Mappings", {})
        self._conditions = template.get("Conditions", {})

    def resolve(self, node: Any) -> Any:
        """Return `node` with its functions resolved where possible. Entries that are AWS::NoValue are dropped."""
        if isinstance(node, list):
            return [value for item in node if (value := self.resolve(item)) is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(key, argument)] = node.items()
            decide = getattr(self, f"_{key.removeprefix('Fn::').lower()}", None)
            if decide is not None and (key == "Ref" or key.startswith("Fn::")):
                return decide(argument)
        return {key: value for key, item in node.items() if (value := self.resolve(item)) is not _NO_VALUE}

    def holds(self, condition: Any) -> bool:
        """Evaluate a condition, by name or by expression."""
        if isinstance(condition, str):
            return self.holds(self._conditions[condition])
        [(key, argument)] = condition.items()
        if key == "Condition":
            return self.holds(argument)
        if key == "Fn::Equals":
            left, right = self.resolve(argument)
            return str(left) == str(right)
        if key == "Fn::Not":
            return not self.holds(argument[0])
        return (all if key == "Fn::And" else any)(self.holds(part) for part in argument)

    def _ref(self, name: str) -> Any:
        return _NO_VALUE if name == "AWS::NoValue" else self._values.get(name, {"Ref": name})

    def _if(self, argument: list[Any]) -> Any:
        name, met, unmet = argument
        return self.resolve(met if self.holds(name) else unmet)

    def _findinmap(self, argument: list[Any]) -> Any:
        name, first, second = self.resolve(argument)
        return self._mappings[name][first][second]

    def _join(self, argument: list[Any]) -> Any:
        separator, parts = argument[0], self.resolve(argument[1])
        if isinstance(parts, list) and not any(isinstance(part, dict) for part in parts):
            return separator.join(str(part) for part in parts)
        return {"Fn::Join": [separator, parts]}

    def _select(self, argument: list[Any]) -> Any:
        index, parts = self.resolve(argument)
        return parts[int(index)] if isinstance(parts, list) else {"Fn::Select": [index, parts]}

    def _split(self, argument: list[Any]) -> Any:
        separator, text = self.resolve(argument)
        return text.split(separator) if isinstance(text, str) else {"Fn::Split": [separator, text]}

    def _sub(self, argument: str | list[Any]) -> Any:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        variables = {**self._values, **self.resolve(given)}
        left = {name: value for name, value in variables.items() if name in given and isinstance(value, dict)}

        def known(match: re.Match[str]) -> str:
            value = variables.get(match[1], match[0])
            return match[0] if isinstance(value, dict) else str(value)

        text = _PLACEHOLDER.sub(known, text)
        if not _PLACEHOLDER.search(text):
            return text.replace("${!", "${")
        return {"Fn::Sub": [text, left] if left else text}
