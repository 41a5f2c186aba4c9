"""How a value lies in an attribute of DynamoDB: compact JSON, deflated when that pays."""

import json
import zlib
from typing import Any

COMPRESS_OVER_BYTES = 1_024
LEVEL = 3  # on a page of conversations nearly three times as fast as the usual 6, for a tenth more bytes
# What `unpack`, or whoever reads its value, raises for what another version of the code has packed.
UNREADABLE = (LookupError, TypeError, ValueError, zlib.error)  # pydantic's ValidationError is a ValueError
DEFLATED = b"\x78"  # what deflated bytes begin with, and no JSON does


def pack(value: object) -> bytes:
    """TypeError for what JSON does not have."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.compress(text, LEVEL) if len(text) > COMPRESS_OVER_BYTES else text


def unpack(stored: bytes) -> Any:
    return json.loads(zlib.decompress(stored) if stored.startswith(DEFLATED) else stored)
