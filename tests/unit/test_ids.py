"""The rule for ids that a caller chooses, wherever they stand."""

import pytest
from pydantic import TypeAdapter, ValidationError

from longhaul.validation import OWN_ID_RULE, OwnId

ADAPTER: TypeAdapter[str] = TypeAdapter(OwnId)


@pytest.mark.parametrize("text", ["T-1", "客户:1", "a.b", "...", "a@b+c=d,e", "😀", "a" * 64, "~(x)!*'&;$[]{}|^`<>"])
def test_an_id(text: str) -> None:
    assert ADAPTER.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "a\u00a0",
        "\u3000a",
        "a\n",
        "a\0",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a%41",
        'a"b',
        ".",
        "..",
        "a" * 65,
        "a\x7f",
        "a\x85",
        "a\ud800",
    ],
)
def test_no_id_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ADAPTER.validate_python(text)
    assert [error["msg"] for error in refused.value.errors()] == [OWN_ID_RULE]
