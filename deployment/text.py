"""CloudFormation's YAML, in and out: short tags (!Ref, !GetAtt), and on one line what fits there."""

import io
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

WIDTH = 140  # of a line with a whole object on it


def load(text: str) -> dict[str, Any]:
    """Return the document, its tags as the objects they stand for: `!Ref X` is `{"Ref": "X"}`."""
    return dict(yaml_parse(text) or {})


def dump(value: Any, indent: int = 0) -> str:
    """Return the value as YAML, each line indented by so many spaces; nothing for an empty one."""
    if not value:
        return ""
    node = _Dumper(io.StringIO()).represent_data(value)
    _fold(node, indent)
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = False
    text = yaml.serialize(node, Dumper=_Dumper, width=10_000, allow_unicode=True)
    return "".join(f"{' ' * indent}{line}\n" for line in text.splitlines())


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def choose_scalar_style(self) -> str:
        """A tagged text needs no quotes: `!Ref Api`."""
        event = self.event
        if not isinstance(event, yaml.ScalarEvent) or not (event.tag or "").startswith("!"):
            return super().choose_scalar_style()
        self.analysis = self.analyze_scalar(event.value)
        plain = self.analysis.allow_flow_plain if self.flow_level else self.analysis.allow_block_plain
        return "" if plain else "'"


def _object(dumper: _Dumper, value: dict[str, Any]) -> yaml.Node:
    if len(value) == 1:
        [(name, argument)] = value.items()
        if name.startswith("Fn::") or name == "Ref" or (name == "Condition" and isinstance(argument, str)):
            dotted = name == "Fn::GetAtt" and isinstance(argument, list)
            node = dumper.represent_data(".".join(argument) if dotted else argument)
            node.tag = f"!{name.removeprefix('Fn::')}"
            return node
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=False)


def _fold(node: yaml.Node, column: int) -> int:
    """Put each collection that fits there on one line, from `column` on. Return the width the node has on one line."""
    width = len(node.tag) + 1 if node.tag.startswith("!") else 0
    if isinstance(node, yaml.ScalarNode):
        return width + len(node.value)
    if isinstance(node, yaml.MappingNode):
        width += 2 + sum(_fold(key, column) + _fold(value, column + 2) + 4 for key, value in node.value)
    else:
        width += 2 + sum(_fold(item, column + 2) + 2 for item in node.value)
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = column + width < WIDTH
    return width


_Dumper.add_representer(dict, _object)
