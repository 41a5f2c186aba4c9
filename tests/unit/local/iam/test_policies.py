"""Statements as IAM matches them."""

from pathlib import Path

import pytest

from local.iam import policies
from local.iam.policies import Decision, Grant, Need, Policies, Role, Statement

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/Seen"


def decide(statements: list[Statement], action: str, resource: str) -> Decision:
    return Role("PackRole", "Pack", tuple(statements)).decide(action, resource)


@pytest.mark.parametrize(
    ("actions", "resources", "action", "resource", "allowed"),
    [
        pytest.param(["dynamodb:GetItem"], [TABLE], "dynamodb:GetItem", TABLE, True, id="as it is written"),
        pytest.param(["dynamodb:getitem"], [TABLE], "dynamodb:GetItem", TABLE, True, id="actions have no case"),
        pytest.param(["dynamodb:GetItem"], [TABLE.lower()], "dynamodb:GetItem", TABLE, False, id="resources have"),
        pytest.param(["dynamodb:GetItem"], [TABLE], "dynamodb:PutItem", TABLE, False, id="another action"),
        pytest.param(["dynamodb:GetItem"], [TABLE], "dynamodb:GetItem", f"{TABLE}s", False, id="a longer name"),
        pytest.param(["dynamodb:GetItem"], [f"{TABLE}.*"], "dynamodb:GetItem", TABLE, False, id="a dot is a dot"),
        pytest.param(["dynamodb:*Item"], ["*"], "dynamodb:BatchGetItem", TABLE, True, id="any text"),
        pytest.param(["dynamodb:?etItem"], [f"{TABLE[:-1]}?"], "dynamodb:GetItem", TABLE, True, id="any character"),
        pytest.param(["dynamodb:?etItem"], ["*"], "dynamodb:BatchGetItem", TABLE, False, id="one character only"),
        pytest.param(["sqs:SendMessage", "dynamodb:GetItem"], ["x", TABLE], "dynamodb:GetItem", TABLE, True, id="any"),
    ],
)
def test_a_statement_matches(
    actions: list[str], resources: list[str], action: str, resource: str, allowed: bool
) -> None:
    decision = decide([Statement(tuple(actions), tuple(resources))], action, resource)

    assert (decision.allowed, decision.denied) == (allowed, False)


def test_a_deny_beats_every_allow() -> None:
    allow, deny = Statement(("dynamodb:*",), ("*",)), Statement(("dynamodb:Delete*",), (TABLE,), deny=True)

    for statements in ([allow, deny], [deny, allow]):
        assert decide(statements, "dynamodb:DeleteItem", TABLE) == Decision(allowed=False, denied=True, grants=())
        assert decide(statements, "dynamodb:GetItem", TABLE).allowed


def test_nothing_is_allowed_by_nothing() -> None:
    assert decide([], "dynamodb:GetItem", TABLE) == Decision(allowed=False, denied=False, grants=())


def test_every_grant_that_allows_it_is_named_as_it_is_written() -> None:
    # GIVEN two statements that allow the same, and one of AWS's own
    given = Role(
        "PackRole",
        "Pack",
        (Statement(("dynamodb:Get*", "dynamodb:GetItem"), (TABLE,)), Statement(("dynamodb:*",), ("*", "other"))),
        managed=(Statement(("dynamodb:*",), ("*",)),),
    )

    # WHEN it is decided
    grants = given.decide("dynamodb:GetItem", TABLE).grants

    # THEN the template's own grants are named, and no other
    assert set(grants) == {
        Grant("PackRole", "dynamodb:Get*", TABLE),
        Grant("PackRole", "dynamodb:GetItem", TABLE),
        Grant("PackRole", "dynamodb:*", "*"),
    }
    assert set(grants) < set(given.grants())


def test_any_one_resource_of_a_need_is_enough() -> None:
    given = Policies({"PackRole": Role("PackRole", "Pack", (Statement(("ses:SendEmail",), ("domain",)),))})

    assert given.decide("PackRole", Need("ses:SendEmail", ("address", "domain"))).allowed
    assert not given.decide("PackRole", Need("ses:SendEmail", ("address",))).allowed


def test_policies_come_back_as_they_were_written(tmp_path: Path) -> None:
    role = Role("R", "F", (Statement(("a:b",), ("r",), deny=True),), (Statement(("c:d",), ("*",)),))
    given = Policies({"R": role}, {"arn": "!Ref X"}, ("machine",), "api/stage")

    policies.write(given, tmp_path / "policies.json")

    assert policies.read(tmp_path / "policies.json") == given
