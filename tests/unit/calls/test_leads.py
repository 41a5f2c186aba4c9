import pytest
from pydantic import ValidationError

from calls.leads import NewLead, dial_form, duplicates, parse_phone


@pytest.mark.parametrize(
    ("given", "kept", "as_dialled"),
    [
        ("13800138000", "+8613800138000", "13800138000"),
        ("138 0013 8000", "+8613800138000", "13800138000"),
        ("+86 138-0013-8000", "+8613800138000", "13800138000"),
        ("020-87654321", "+862087654321", "02087654321"),
        ("+852 2123 4567", "+85221234567", "0085221234567"),
        ("+1 650 253 0000", "+16502530000", "0016502530000"),
    ],
)
def test_a_number_is_kept_in_one_form_and_dialled_in_another(given: str, kept: str, as_dialled: str) -> None:
    assert parse_phone(given) == kept
    assert dial_form(kept) == as_dialled


@pytest.mark.parametrize("text", ["", "12345", "喂", "☎", "1380013800", "138001380000", "'; DROP TABLE x", "+999 1"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a telephone number"):
        parse_phone(text)


def test_duplicates_are_told_by_what_they_repeat() -> None:
    leads = [
        NewLead(leads_id="a", phone="13800000001"),
        NewLead(leads_id="a", phone="13800000002"),
        NewLead(leads_id="b", phone="13800000001"),
        NewLead(leads_id="c", phone="13800000003"),
        NewLead(leads_id="d", phone="13800000004"),
    ]
    assert duplicates(leads, {("leads_id", "c"), ("phone", "+8613800000004")}) == [
        (1, "leads_id"),
        (2, "phone"),
        (3, "leads_id"),
        (4, "phone"),
    ]


@pytest.mark.parametrize(
    "extras", [{"k": "v" * 1001}, {f"k{n}": "v" for n in range(21)}, {"": "v"}, {f"k{n}": "v" * 900 for n in range(5)}]
)
def test_extras_have_bounds(extras: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        NewLead(leads_id="a", phone="13800000001", extras=extras)
