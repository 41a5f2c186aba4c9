"""What parameters, mappings and conditions decide is decided; what needs a resource is left."""

from typing import Any

import pytest

from local.template.intrinsics import Resolver, parameter_values

TEMPLATE = {
    "Mappings": {"Sizes": {"small": {"memory": 256}, "large": {"memory": 1024}}},
    "Conditions": {
        "IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
        "IsTest": {"Fn::Not": [{"Condition": "IsProd"}]},
        "Both": {"Fn::And": [{"Condition": "IsTest"}, {"Fn::Equals": [{"Ref": "Count"}, 3]}]},
        "Either": {"Fn::Or": [{"Condition": "IsProd"}, {"Fn::Equals": ["a", "b"]}]},
    },
}
VALUES = {"Stage": "test", "Size": "large", "Count": "3", "Subnets": ["s-1", "s-2"]}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"Ref": "Stage"}, "test"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "Queue"}, {"Ref": "Queue"}),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, {"Fn::GetAtt": ["Queue", "Arn"]}),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Size"}, "memory"]}, 1024),
        ({"Fn::Sub": "${Stage}-${AWS::Region}"}, "test-us-east-1"),
        ({"Fn::Sub": '{"q": "${Queue}", "s": "${Stage}"}'}, {"Fn::Sub": '{"q": "${Queue}", "s": "test"}'}),
        ({"Fn::Sub": "${!Kept} ${Stage}"}, "${Kept} test"),
        (
            {"Fn::Sub": ["${a} ${b}", {"a": {"Ref": "Stage"}, "b": {"Ref": "Queue"}}]},
            {"Fn::Sub": ["test ${b}", {"b": {"Ref": "Queue"}}]},
        ),
        ({"Fn::Join": ["/", ["a", {"Ref": "Stage"}]]}, "a/test"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Queue"}]]}, {"Fn::Join": ["/", ["a", {"Ref": "Queue"}]]}),
        ({"Fn::Select": [1, {"Ref": "Subnets"}]}, "s-2"),
        ({"Fn::Split": ["-", "x-y"]}, ["x", "y"]),
        ({"Fn::If": ["IsProd", 1, {"Ref": "Count"}]}, "3"),
        ({"a": {"Fn::If": ["IsProd", 1, {"Ref": "AWS::NoValue"}]}, "b": 2}, {"b": 2}),
        ([1, {"Fn::If": ["IsTest", {"Ref": "AWS::NoValue"}, 5]}], [1]),
    ],
)
def test_resolve(node: Any, expected: Any) -> None:
    assert Resolver(TEMPLATE, VALUES).resolve(node) == expected


@pytest.mark.parametrize(("name", "holds"), [("IsProd", False), ("IsTest", True), ("Both", True), ("Either", False)])
def test_conditions(name: str, holds: bool) -> None:
    assert Resolver(TEMPLATE, VALUES).holds(name) is holds


def test_a_parameter_is_chosen_or_has_its_default_or_a_dummy_of_its_type() -> None:
    # GIVEN one parameter of each sort
    declared = {
        "Chosen": {"Type": "String", "Default": "no"},
        "Default": {"Type": "Number", "Default": 7},
        "Allowed": {"Type": "String", "AllowedValues": ["first", "second"]},
        "DefaultOfAllowed": {"Type": "String", "AllowedValues": ["first", "second"], "Default": "second"},
        "ChosenOfAllowed": {"Type": "String", "AllowedValues": ["first", "second", "third"], "Default": "second"},
        "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"},
        "Origins": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Dummy": {"Type": "String"},
    }

    # WHEN they get values
    values = parameter_values(declared, {"Chosen": "yes", "ChosenOfAllowed": "third", "Unknown": "x"})

    # THEN each has the first that there is, and lists are lists
    assert values == {
        "Chosen": "yes",
        "Default": 7,
        "Allowed": "first",
        "DefaultOfAllowed": "second",
        "ChosenOfAllowed": "third",
        "Subnets": ["local-1", "local-2"],
        "Origins": ["a", "b"],
        "Dummy": "local",
    }
