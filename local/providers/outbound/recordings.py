"""Recordings of calls: a tone, behind a signed link that expires."""

import hashlib
import hmac
import io
import math
import secrets
import struct
import time
import wave
from base64 import b64encode
from urllib.parse import urlencode

from local.providers.faults import draw
from local.providers.outbound.protocol import Refusal

RATE = 8000  # samples of 16 bits a second
LOUDNESS = 8000


def tone(call_id: str) -> bytes:
    """Return a mono WAV file of 2 to 5 seconds, in a pitch of the call's own."""
    length, pitch = draw(call_id, "tone")
    period = 10 + int(pitch * 11)  # samples: 400 to 800 Hz
    once = [int(LOUDNESS * math.sin(2 * math.pi * n / period)) for n in range(period)]
    frames = struct.pack(f"<{period}h", *once) * int((2 + 3 * length) * RATE / period)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(frames)
    return file.getvalue()


class Links:
    """Signs links with a random secret, and recognises its own."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def link(self, host: str, call_id: str, seconds: int) -> str:
        expires = str(int(time.time()) + seconds)
        query = urlencode({"Expires": expires, "Signature": self._signature(call_id, expires)})
        return f"http://{host}/recordings/{call_id}.wav?{query}"

    def check(self, call_id: str, expires: str, signature: str) -> None:
        """Raise Refusal unless the link is one of these and has not expired."""
        if not hmac.compare_digest(signature.encode(), self._signature(call_id, expires).encode()):
            raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if time.time() >= int(expires):
            raise Refusal(403, "AccessDenied", "Request has expired.")

    def _signature(self, call_id: str, expires: str) -> str:
        return b64encode(hmac.digest(self._secret, f"{call_id}\n{expires}".encode(), hashlib.sha1)).decode()
