"""How addresses and titles are read: what SES takes, and what a reader sees."""

import pytest

from mail.model import MAX_ADDRESS_LENGTH, address_of, clean, key_of


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.L+x_1@Mail.EXAMPLE.com", "Ada.L+x_1@mail.example.com"),
        ("o'brien@example.co.uk", "o'brien@example.co.uk"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@例子.中国", "ada@xn--fsqu00a.xn--fiqs8s"),
        ("ada@ＥＸＡＭＰＬＥ.com", "ada@example.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_an_address_is_ascii_with_a_domain_in_lower_case(given: str, read: str) -> None:
    assert address_of(given) == read
    assert address_of(read) == read


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        "ada@-a.com",
        "ada@a-.com",
        "ada@a..com",
        "ada@.com",
        "ada@example.com.",
        f"ada@{'a' * 64}.com",
        f"ada@{'a.' * 130}com",
        f"{'a' * 65}@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..da@example.com",
        "a da@example.com",
        "ada@exa mple.com",
        '"a da"@example.com',
        "ada@example.com\n",
        "ada\r\nBcc:eve@example.com@example.com",
        "ada@example.com\u202e",
        "Ada<ada@example.com>",
        "ada,eve@example.com",
        "ada@eve@example.com",
        "阿达@example.com",
        "ada@\ud800.com",
        "ada@💩.example",
    ],
)
def test_any_other_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"@|an address"):
        address_of(given)


def test_it_has_a_longest_form() -> None:
    domain = ".".join("a" * length for length in (63, 63, 61))
    local = "b" * (MAX_ADDRESS_LENGTH - len(domain) - 1)
    assert len(address_of(f"{local}@{domain}")) == MAX_ADDRESS_LENGTH
    with pytest.raises(ValueError, match=r"at most 254"):
        address_of(f"{local}@b.{domain}")


def test_capitals_make_no_other_address() -> None:
    assert key_of("Ada@example.com") == key_of("aDA@example.com")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("广东省刷新", "广东省刷新"),
        ("two\r\nBcc: eve@example.com", "two Bcc: eve@example.com"),
        ("  a \t b\u2028c\u0085d  ", "a b c d"),
        ("\u202egnp.exe\u2066\u200b\ufeff", "gnp.exe"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("\x00\x1b[31mred", "[31mred"),
        ("x" * 30, "x" * 19 + "…"),
        ("word " * 10, "word word word word…"),
        ("", ""),
    ],
)
def test_what_tenants_wrote_is_one_bounded_line(text: str, line: str) -> None:
    assert clean(text, 20 if len(text) > 25 and "eve" not in text else 200) == line
