"""TLS contexts, each made once: loading the authorities takes 20 ms, more than a whole handshake."""

import os
import ssl
from functools import cache


@cache
def verified() -> ssl.SSLContext:
    """By the authorities that the system knows: Amazon Trust Services' are among them."""
    return ssl.create_default_context()


def context_of_aws() -> ssl.SSLContext:
    """As `verified`, or by the authorities in the file that the environment names, as boto3 has it."""
    bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return _verified_by(bundle) if bundle else verified()


@cache
def _verified_by(bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=bundle)
