"""How a value lies in an attribute of DynamoDB: compact JSON, deflated when that pays.

Intel's ISA-L deflates a page of conversations in a fifth to an eighth of zlib's time, for less than a tenth more bytes.
"""

import json
from typing import Any, cast

from isal import isal_zlib

COMPRESS_OVER_BYTES = 1_024
LEVEL = 2  # of 0 to 3: as fast as 1, and 3 deflates no better
# What `unpack`, or whoever reads its value, raises for what another version of the code has packed. (Pydantic's
# ValidationError is a ValueError. The types of isal take its error for an instance.)
UNREADABLE = (LookupError, TypeError, ValueError, cast(type[Exception], isal_zlib.error))
DEFLATED = b"\x78"  # what deflated bytes begin with, and no JSON does

_GZIP = isal_zlib.MAX_WBITS | 16  # deflated bytes in gzip's frame


def pack(value: object) -> bytes:
    """TypeError for what JSON does not have."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return isal_zlib.compress(text, LEVEL) if len(text) > COMPRESS_OVER_BYTES else text


def unpack(stored: bytes) -> Any:
    return json.loads(isal_zlib.decompress(stored) if stored.startswith(DEFLATED) else stored)


def gzipped(text: bytes) -> bytes:
    """As HTTP sends it."""
    return isal_zlib.compress(text, LEVEL, _GZIP)
