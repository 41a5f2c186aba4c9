"""What is cached and what is sent, deflated: anybody's inflate reads it, and what is broken is a miss."""

import gzip
import json
import zlib
from typing import Any

import pytest

from longhaul.cache.compression import COMPRESS_OVER_BYTES, DEFLATED, UNREADABLE, gzipped, pack, unpack

LARGE = {"lines": [f"第{number}句" for number in range(COMPRESS_OVER_BYTES)]}


@pytest.mark.parametrize("value", [None, 7, "x", [], {"a": "省"}, LARGE])
def test_what_is_packed_is_the_same_again(value: Any) -> None:
    assert unpack(pack(value)) == value


def test_a_small_value_is_json_and_a_large_one_deflated_as_zlib_does() -> None:
    assert pack({"a": "省"}) == '{"a":"省"}'.encode()
    packed = pack(LARGE)
    assert packed.startswith(DEFLATED)
    assert json.loads(zlib.decompress(packed)) == LARGE
    assert len(packed) < len(json.dumps(LARGE, ensure_ascii=False).encode()) / 3


def test_what_zlib_has_deflated_is_read() -> None:
    """As entries are that the version before has cached."""
    assert unpack(zlib.compress(json.dumps(LARGE).encode())) == LARGE


@pytest.mark.parametrize("stored", [b"", DEFLATED, b"\x78nonsense", pack(LARGE)[:-3], pack(LARGE)[:200], b"\x01", b"{"])
def test_what_is_broken_is_unreadable(stored: bytes) -> None:
    with pytest.raises(UNREADABLE):
        unpack(stored)


def test_an_answer_is_in_gzips_frame() -> None:
    text = json.dumps(LARGE).encode()
    assert gzip.decompress(gzipped(text)) == text
